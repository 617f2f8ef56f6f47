//! The vectors of both documents open, and are sealed again into something of the same length.

use backup_seal::{Aead, DataKey, SealError};

/// Opens a body of which all parts are given in hex, but for the context.
fn open(aead: Aead, key: &str, nonce: &str, context: &[u8], text: &str) -> Result<Vec<u8>, SealError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(key, &mut bytes).unwrap();
    let sealed = hex::decode(nonce.to_owned() + text).unwrap();
    DataKey::from_bytes(bytes.into()).open(aead, context, &[], &sealed)
}

/// <https://c2sp.org/XAES-256-GCM>, section "Test vectors".
#[test]
fn xaes_opens_those_of_c2sp() {
    let nonce = hex::encode("ABCDEFGHIJKLMNOPQRSTUVWX");
    for (key, context, text) in [
        ("01", "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        ("03", "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ] {
        let open = |context: &[u8]| open(Aead::XAes256Gcm, &key.repeat(32), &nonce, context, text);
        assert_eq!(open(context.as_bytes()).unwrap(), b"XAES-256-GCM");
        assert_eq!(open(b"another"), Err(SealError::NotAuthentic));
    }
}

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
#[test]
fn xchacha_opens_that_of_the_draft() {
    let key = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
    let nonce = "404142434445464748494a4b4c4d4e4f5051525354555657";
    let context = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
    let text = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb\
                731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452\
                2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
                21f9664c97637da9768812f615c68b13b52e\
                c0875924c1c7987947deafd8780acf49";
    let opened = open(Aead::XChaCha20Poly1305, key, nonce, &context, text).unwrap();
    let expected = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                    sunscreen would be it.";
    assert_eq!(String::from_utf8(opened).unwrap(), expected);
}

/// What is written in packs must stay what it is. The id was computed by the Python package `blake3`.
#[test]
fn numbers_and_ids_stay() {
    assert_eq!((Aead::XChaCha20Poly1305.number(), Aead::XAes256Gcm.number(), Aead::OVERHEAD), (1, 2, 40));
    for number in 0..=u8::MAX {
        let expected = match number {
            1 => Some(Aead::XChaCha20Poly1305),
            2 => Some(Aead::XAes256Gcm),
            _ => None,
        };
        assert_eq!(Aead::from_number(number), expected);
    }
    assert!(Aead::from_number(Aead::fastest().number()).is_some());
    let id = DataKey::from_bytes([7; 32].into()).id();
    assert_eq!(id.to_string(), KEY_ID);
    assert_eq!(hex::encode(id.0), KEY_ID);
}

const KEY_ID: &str = "fc8fdcc28d6527f8e489d1f8d8e015b4e87d8bdefd7b32f4cf88e3049d8ac51d";
