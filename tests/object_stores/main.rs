//! The program `kvbackup` on real servers: versitygw for S3, Azurite for Azure Blob Storage, both with TLS and a CA of their own.

mod azure;
mod died;
mod place;
mod refused;
mod year;
