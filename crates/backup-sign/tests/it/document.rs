//! The example of `docs/FORMAT.md` is what is made of its keys, and is taken.

use backup_sign::{KeyId, SecretKey, Signature, TrustedKeys};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/FORMAT.md");
const MESSAGE: &[u8] = b"manifest\n";

#[test]
fn the_example_of_the_document_is_what_is_signed_and_checked() {
    let document = std::fs::read_to_string(DOCUMENT).expect("docs/FORMAT.md stands beside the crates");
    let (_, block) = document.split_once("```signature\n").expect("it has an example");
    let (block, _) = block.split_once("```").unwrap();
    let seed: [u8; 32] = std::array::from_fn(|number| number as u8);
    let key = SecretKey::from_seed(KeyId(*b"kvbackup"), seed.into()).unwrap();
    let comment = format!("kvbackup dump={} repository={} sequence=7", "ab".repeat(32), "07".repeat(16));
    let signature = key.sign(MESSAGE, &comment).unwrap();
    let expected = format!(
        "seed         {}\npublic key   {}\nkey id       {}\nmessage      {}\nas text      {}\n\n{}",
        hex::encode(seed),
        hex::encode(key.public().bytes()),
        key.public().id(),
        hex::encode(MESSAGE),
        key.public(),
        signature.encode()
    );
    assert_eq!(block, expected, "docs/FORMAT.md, section 20");
    // What stands there is enough to check it.
    let (facts, file) = block.split_once("\n\n").unwrap();
    let public = facts.lines().last().unwrap().split_whitespace().last().unwrap();
    let trusted = TrustedKeys::new(TrustedKeys::parse(public).unwrap()).unwrap();
    trusted.check(MESSAGE, &Signature::decode(file.as_bytes()).unwrap(), &comment).unwrap();
}
