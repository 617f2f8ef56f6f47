//! Storing a page.

use backup_format::{FormatError, Kind, Page, Reference, clear_ids};

use crate::codec::{self, Compression};
use crate::error::RepositoryError;
use crate::index::Known;
use crate::pack_writer::PackWriter;
use crate::repository::Repository;

/// Encodes a page and stores it, unless it is there already; returns the reference to it, or why it cannot be encoded.
pub(crate) async fn store_page(
    (repository, known, compression): (&Repository, &Known, Compression),
    writer: &mut PackWriter,
    page: &Page,
) -> Result<Result<Reference, FormatError>, RepositoryError> {
    let plaintext = match page.encode() {
        Ok(plaintext) => plaintext,
        Err(source) => return Ok(Err(source)),
    };
    let id = repository.keys()?.id(Kind::Page, &plaintext);
    let plain_len = plaintext.len() as u64;
    if known.claim(id) {
        let stored = codec::encode(compression, Kind::Page, id, &plaintext)?;
        let stored = repository.seal((Kind::Page, id, plain_len), &clear_ids(&page.references), stored)?;
        writer.push(Kind::Page, id, plain_len, stored).await?;
    }
    // Only the root page of an empty dump has no references, and nothing refers to that page by its first entry.
    let first = page.references.first();
    Ok(Ok(Reference {
        id,
        first_root: first.map_or_else(Vec::new, |first| first.first_root.clone()),
        first_key: first.map_or_else(Vec::new, |first| first.first_key.clone()),
        plain_len,
        entries: page.entries(),
    }))
}
