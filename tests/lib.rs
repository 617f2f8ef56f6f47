//! Tests of the whole workspace, through its libraries. Those of the program `kvbackup` lie beside them, in `cli` and
//! `full_disk`. They are targets of package `backup-cli`, and so know where the program is.
