//! XAES-256-GCM of C2SP (<https://c2sp.org/XAES-256-GCM>): AES-256-GCM with a key that is derived for each nonce.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use zeroize::Zeroizing;

use crate::aead::{NONCE_BYTES, TAG_BYTES};
use crate::error::SealError;

const BLOCK_BYTES: usize = 16;
/// What stands before the half of the nonce in the two blocks that become the derived key.
const PREFIXES: [[u8; 4]; 2] = [[0, 1, b'X', 0], [0, 2, b'X', 0]];

/// A key of XAES-256-GCM, prepared. What it is made of is overwritten when it is dropped.
pub(crate) struct XAes {
    block: EncryptingKey,
    /// The first subkey of CMAC.
    mask: Zeroizing<[u8; BLOCK_BYTES]>,
}

impl fmt::Debug for XAes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("XAes").finish_non_exhaustive()
    }
}

impl XAes {
    /// Prepares a key; none if the library fails.
    pub(crate) fn new(key: &[u8; 32]) -> Option<Self> {
        let block = EncryptingKey::ecb(UnboundCipherKey::new(&AES_256, key).ok()?).ok()?;
        let mut mask = Zeroizing::new([0; BLOCK_BYTES]);
        encrypt_blocks(&block, mask.as_mut_slice())?;
        double(&mut mask);
        Some(Self { block, mask })
    }

    /// Encrypts in place.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        context: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], SealError> {
        let failed = || SealError::Library { operation: "sealing" };
        let (key, nonce) = self.derive(nonce).ok_or_else(failed)?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(context), text).map_err(|_| failed())?;
        tag.as_ref().try_into().map_err(|_| failed())
    }

    /// Decrypts in place a ciphertext with its tag. The plaintext is what stands before the place of the tag.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        context: &[u8],
        text_and_tag: &mut [u8],
    ) -> Result<(), SealError> {
        let (key, nonce) = self.derive(nonce).ok_or(SealError::Library { operation: "opening" })?;
        let opened = key.open_in_place(nonce, Aad::from(context), text_and_tag);
        opened.map(|_| ()).map_err(|_| SealError::NotAuthentic)
    }

    /// Returns the key and the nonce of AES-256-GCM.
    fn derive(&self, nonce: &[u8; NONCE_BYTES]) -> Option<(LessSafeKey, Nonce)> {
        let (for_key, for_gcm) = nonce.split_first_chunk::<{ NONCE_BYTES - NONCE_LEN }>()?;
        let mut key = Zeroizing::new([0; 2 * BLOCK_BYTES]);
        for (block, prefix) in key.chunks_exact_mut(BLOCK_BYTES).zip(PREFIXES) {
            let message = prefix.iter().chain(for_key);
            for ((byte, message), mask) in block.iter_mut().zip(message).zip(self.mask.iter()) {
                *byte = message ^ mask;
            }
        }
        encrypt_blocks(&self.block, key.as_mut_slice())?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).ok()?;
        Some((LessSafeKey::new(key), Nonce::try_assume_unique_for_key(for_gcm).ok()?))
    }
}

/// Encrypts each block for itself, which is the block cipher and nothing more.
fn encrypt_blocks(key: &EncryptingKey, blocks: &mut [u8]) -> Option<()> {
    key.less_safe_encrypt(blocks, EncryptionContext::None).ok().map(|_| ())
}

/// Doubles in the field of CMAC, in constant time.
fn double(block: &mut [u8; BLOCK_BYTES]) {
    let value = u128::from_be_bytes(*block);
    let reduce = (value >> 127).wrapping_mul(0b1000_0111);
    *block = ((value << 1) ^ reduce).to_be_bytes();
}

#[cfg(test)]
mod tests {
    use sha3::Shake128;
    use sha3::digest::{ExtendableOutput as _, Update as _, XofReader};

    use super::*;

    fn take(random: &mut impl XofReader, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        random.read(&mut bytes);
        bytes
    }

    /// A byte that says the length, and so many bytes.
    fn take_some(random: &mut impl XofReader) -> Vec<u8> {
        let len = take(random, 1)[0];
        take(random, len.into())
    }

    /// The accumulated test of <https://c2sp.org/XAES-256-GCM>, commit 03ab7445 of its text.
    fn accumulate(rounds: usize) -> String {
        let (mut random, mut digest) = (Shake128::default().finalize_xof(), Shake128::default());
        for _ in 0..rounds {
            let key: [u8; 32] = take(&mut random, 32).try_into().unwrap();
            let nonce: [u8; NONCE_BYTES] = take(&mut random, NONCE_BYTES).try_into().unwrap();
            let (plaintext, context) = (take_some(&mut random), take_some(&mut random));
            let key = XAes::new(&key).unwrap();
            let mut text = plaintext.clone();
            let tag = key.seal(&nonce, &context, &mut text).unwrap();
            text.extend_from_slice(&tag);
            digest.update(&text);
            key.open(&nonce, &context, &mut text).unwrap();
            assert_eq!(text[..plaintext.len()], plaintext);
        }
        hex::encode(take(&mut digest.finalize_xof(), 32))
    }

    #[test]
    fn ten_thousand_random_texts_are_sealed_as_the_document_says() {
        assert_eq!(accumulate(10_000), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
    }

    /// The steps of the two vectors of the document. In the first one, the upper bit is 0 before it is doubled, in the second one 1.
    #[test]
    fn the_steps_are_those_of_the_document() {
        let cases = [
            (
                1,
                "e531954aca063d5b8d9c47a47d4cc6f0",
                "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
                "",
            ),
            (
                3,
                "23810ec50edb99f374409466ed1f4b7b",
                "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
                "c2sp.org/XAES-256-GCM",
            ),
        ];
        for (byte, mask, sealed, context) in cases {
            let key = XAes::new(&[byte; 32]).unwrap();
            assert_eq!(hex::encode(key.mask.as_slice()), mask);
            let mut text = b"XAES-256-GCM".to_vec();
            let tag = key.seal(b"ABCDEFGHIJKLMNOPQRSTUVWX", context.as_bytes(), &mut text).unwrap();
            assert_eq!(hex::encode([text.as_slice(), &tag].concat()), sealed);
        }
    }
}
