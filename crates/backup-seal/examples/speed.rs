//! Measures how fast bodies of 200 KiB are sealed and opened on one core, beside AES-256-GCM alone:
//! `cargo run --release -p backup-seal --example speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use backup_seal::{Aead, DataKey, SealError};

const BODY: usize = 200 << 10;
const ROUND: Duration = Duration::from_millis(500);

/// Runs it again and again, and shows the best of five rounds.
fn measure(what: &str, mut body: impl FnMut()) {
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let (start, mut bodies) = (Instant::now(), 0_u32);
        while start.elapsed() < ROUND {
            body();
            bodies += 1;
        }
        best = best.max(f64::from(bodies) * BODY as f64 / 1e6 / start.elapsed().as_secs_f64());
    }
    println!("{what:<40} {best:>8.0} MB/s");
}

fn main() -> Result<(), SealError> {
    let text = vec![7; BODY];
    let key = DataKey::generate()?;
    for aead in [Aead::XAes256Gcm, Aead::XChaCha20Poly1305] {
        let context = [7; 43];
        let sealed = key.seal(aead, &context, &[], &text)?;
        measure(&format!("{aead:?} seal"), || {
            black_box(key.seal(aead, &context, &[], black_box(&text)).expect("it seals"));
        });
        measure(&format!("{aead:?} open"), || {
            black_box(key.open(aead, &context, &[], black_box(&sealed)).expect("it opens"));
        });
    }
    let gcm = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[1; 32]).expect("it has 32 bytes"));
    let mut text = text;
    measure("AES-256-GCM alone, in place", || {
        let nonce = Nonce::assume_unique_for_key([1; 12]);
        let _ = black_box(gcm.seal_in_place_separate_tag(nonce, Aad::empty(), &mut text).expect("it seals"));
    });
    let text = text;
    measure("AES-256-GCM alone, with the copy", || {
        let mut copy = black_box(&text).clone();
        let nonce = Nonce::assume_unique_for_key([1; 12]);
        let _ = black_box(gcm.seal_in_place_separate_tag(nonce, Aad::empty(), &mut copy).expect("it seals"));
        black_box(copy);
    });
    Ok(())
}
