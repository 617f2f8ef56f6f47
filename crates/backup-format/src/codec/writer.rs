//! Appending BCS to a buffer.

/// Appends `value` as ULEB128, in its shortest form.
pub fn put_uleb(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns how many bytes [`put_uleb`] appends for `value`: 1 to 5.
#[must_use]
pub fn uleb_len(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// Appends `bytes` as a BCS byte string: their length as ULEB128, then themselves.
///
/// # Panics
///
/// If there are 4 GiB or more of them; every byte string of a dump is limited far below that.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uleb(out, u32::try_from(bytes.len()).expect("byte strings of a dump are limited to 500 MiB"));
    out.extend_from_slice(bytes);
}
