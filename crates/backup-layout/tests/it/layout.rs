use backup_format::Order;
use backup_layout::Layout;

use crate::support::unhex;

#[test]
fn names_lead_back_to_their_layouts() {
    for (layout, name) in
        [(Layout::Linera015, "linera-0.15"), (Layout::Linera016, "linera-0.16"), (Layout::Plain, "plain")]
    {
        assert_eq!(layout.name(), name);
        assert_eq!(layout.to_string(), name);
        assert_eq!(name.parse::<Layout>().unwrap(), layout);
    }
    assert_eq!(Layout::ALL.len(), 3);
}

#[test]
fn rows_with_a_length_sort_by_length_first() {
    assert_eq!(Layout::ALL.map(Layout::rocksdb_order), [Order::Plain, Order::Prefixed, Order::Plain]);
}

#[test]
fn kinds_follow_the_numbers_of_each_version() {
    let hash = "cb".repeat(32);
    let cases = [
        ("chain_state", format!("00{hash}"), format!("02{hash}")),
        ("block", format!("01{hash}"), format!("03{hash}")),
        ("blob", format!("02{hash}06"), format!("04{hash}06")),
        ("event", format!("03{hash}"), format!("05{hash}")),
        ("network_description", "05".to_owned(), "00".to_owned()),
        ("exporter_state", "0607000000".to_owned(), "0107000000".to_owned()),
        ("block_by_height", format!("07{hash}"), format!("06{hash}")),
        ("event_block_height", format!("08{hash}"), format!("07{hash}")),
        ("other", "04".to_owned(), "08".to_owned()),
        ("other", String::new(), String::new()),
        ("other", format!("00{hash}00"), format!("02{hash}00")),
        ("other", "0500".to_owned(), "0000".to_owned()),
        ("other", format!("01{}", "cb".repeat(31)), format!("03{}", "cb".repeat(31))),
    ];
    for (kind, in_015, in_016) in cases {
        assert_eq!(Layout::Linera015.kind(&unhex(&in_015)), Some(kind), "0.15 {in_015}");
        assert_eq!(Layout::Linera016.kind(&unhex(&in_016)), Some(kind), "0.16 {in_016}");
        assert_eq!(Layout::Plain.kind(&unhex(&in_015)), None);
    }
}
