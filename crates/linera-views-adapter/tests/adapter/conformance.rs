//! What every engine must do.

mod memory {
    backup_testkit::conformance!(crate::engines::Memory::new());
}

mod rocksdb {
    backup_testkit::conformance!(crate::engines::RocksDb::new());
}
