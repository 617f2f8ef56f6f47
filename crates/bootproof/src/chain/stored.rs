//! One block: its content, its certificate, and all that it brought into the database.

use anyhow::Result;
use linera_base::crypto::CryptoHash;
use linera_base::data_types::BlockHeight;
use linera_chain::types::{ConfirmedBlock, LiteCertificate};

use crate::chain::Chain;
use crate::decode::decode;
use crate::kind::Kind;
use crate::place::Place;

impl Chain<'_> {
    /// Checks the block of a height, and what belongs to it; returns it if it is good.
    pub(super) async fn check_block(
        &self,
        height: BlockHeight,
        hash: CryptoHash,
    ) -> Result<Option<ConfirmedBlock>> {
        let place = self.place("block").height(height).block(hash);
        let record = self.context.records.block(hash).await?;
        let block = self.decode_block(record.block.as_deref(), hash, &place);
        if let Some(block) = &block {
            self.check_header(block, height, &place);
        }
        match record.certificate {
            None => self.add(Kind::CertificateMissing, place.but("certificate"), "a certificate", "nothing"),
            Some(bytes) => {
                self.check_certificate(&bytes, block.as_ref(), hash, &place.but("certificate")).await?
            }
        }
        if let Some(block) = &block {
            self.check_blobs(block, &place).await?;
            self.check_events(block, &place).await?;
            self.check_events_read(block, &place).await?;
        }
        Ok(block)
    }

    fn decode_block(&self, bytes: Option<&[u8]>, hash: CryptoHash, place: &Place) -> Option<ConfirmedBlock> {
        let Some(bytes) = bytes else {
            self.add(Kind::BlockMissing, place.clone(), "a block", "nothing");
            return None;
        };
        let problem = match decode::<ConfirmedBlock>(bytes) {
            Ok(block) if block.inner().hash() == hash => return Some(block),
            Ok(block) => format!("a block that hashes to {}", block.inner().hash()),
            Err(problem) => problem,
        };
        self.add(Kind::BlockDamaged, place.clone(), format!("a block that hashes to {hash}"), problem);
        None
    }

    fn check_header(&self, block: &ConfirmedBlock, height: BlockHeight, place: &Place) {
        if block.chain_id() != self.id || block.height() != height {
            let found = format!("a block of chain {} at height {}", block.chain_id(), block.height());
            let expected = format!("a block of chain {} at height {height}", self.id);
            self.add(Kind::BlockLink, place.clone(), expected, found);
        }
    }

    /// Checks that a certificate is that of the block, and that the committee of its epoch signed it.
    async fn check_certificate(
        &self,
        bytes: &[u8],
        block: Option<&ConfirmedBlock>,
        hash: CryptoHash,
        place: &Place,
    ) -> Result<()> {
        let lite: LiteCertificate<'static> = match decode(bytes) {
            Ok(lite) => lite,
            Err(problem) => {
                self.add(Kind::CertificateDamaged, place.clone(), "a certificate", problem);
                return Ok(());
            }
        };
        if lite.value.value_hash != hash {
            let found = format!("one of block {}", lite.value.value_hash);
            self.add(Kind::CertificateDamaged, place.clone(), "the certificate of this block", found);
            return Ok(());
        }
        let Some(block) = block else {
            self.context.findings.not_proven("certificates of blocks that are missing or damaged", place);
            return Ok(());
        };
        let epoch = block.block().header.epoch;
        let Some(certificate) = lite.with_value(block.clone()) else {
            let found = "one of another chain, or of another kind";
            self.add(Kind::CertificateDamaged, place.clone(), "the certificate of this block", found);
            return Ok(());
        };
        match self.context.network.committee(epoch).await? {
            None => self.context.findings.not_proven("certificates whose committee is missing", place),
            Some(committee) => {
                if let Err(error) = certificate.check(&committee) {
                    let expected = format!("a quorum of the committee of epoch {epoch}");
                    self.add(Kind::CertificateInvalid, place.clone(), expected, error);
                }
            }
        }
        Ok(())
    }

    /// Checks that the blobs that a block needs are there. Whether they are the right ones is checked for all blobs once.
    async fn check_blobs(&self, block: &ConfirmedBlock, place: &Place) -> Result<()> {
        for blob in block.block().required_blob_ids() {
            let (content, state) = self.context.records.blob_presence(blob).await?;
            if !content {
                let place = place.but("blob needed by block").blob(blob);
                self.add(Kind::BlobMissing, place, "a blob", "nothing");
            }
            if !state {
                let place = place.but("state of the blob needed by block").blob(blob);
                self.add(Kind::BlobState, place, "a state", "nothing");
            }
        }
        Ok(())
    }
}
