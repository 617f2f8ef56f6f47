//! Nodes that are reached at other addresses than they name.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use scylla::errors::TranslationError;
use scylla::policies::address_translator::{AddressTranslator, UntranslatedPeer};

/// From the address that a node names to the one where it is reached.
pub(crate) struct Translator(pub BTreeMap<IpAddr, SocketAddr>);

#[async_trait]
impl AddressTranslator for Translator {
    async fn translate_address(&self, peer: &UntranslatedPeer) -> Result<SocketAddr, TranslationError> {
        // Nodes name no port: the driver takes the one of the host that it asked.
        let named = peer.untranslated_address();
        Ok(self.0.get(&named.ip()).copied().unwrap_or(named))
    }
}
