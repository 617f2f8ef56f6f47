//! The program `kvbackup` from outside: command lines in, exit codes, JSON and files out.

mod bad_input;
mod cql;
mod demo;
mod documents;
mod exit_codes;
mod files;
mod interrupted;
mod killed;
mod kubernetes;
mod large;
mod layouts;
mod live;
mod memory;
mod native;
mod output;
mod program;
mod scenarios;
mod scratch;
mod server;
mod upstream;
