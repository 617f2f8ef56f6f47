//! Tests of the whole workspace, through its libraries. Those of the program `kvbackup` lie beside them, in `cli` and
//! `full_disk`; they are targets of package `backup-cli`, which is how they know where the program is.
