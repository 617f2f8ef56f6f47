//! Damages, by what they damage.

mod blobs;
mod blocks;
mod events;
mod logs;
mod messages;
mod states;

use crate::damage::Damage;

/// Returns all of them.
pub fn all() -> impl Iterator<Item = &'static Damage> {
    let all =
        [blocks::DAMAGES, blobs::DAMAGES, events::DAMAGES, states::DAMAGES, logs::DAMAGES, messages::DAMAGES];
    all.into_iter().flatten()
}
