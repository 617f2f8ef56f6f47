//! Edits of RocksDB's manifest, as far as they name files and logs.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// Tags above this may be left out by a reader that does not know them: a length and so many bytes follow.
const TAG_IGNORABLE: u64 = 1 << 13;

/// One edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Number of the column family; 0 for the default one.
    pub family: u32,
    pub adds_family: bool,
    pub drops_family: bool,
    pub new_tables: Vec<NewTable>,
    pub deleted_tables: Vec<u64>,
    pub log_number: Option<u64>,
    pub log_min: Option<u64>,
    /// The highest sequence number in any SST file up to here.
    pub last_sequence: Option<u64>,
    /// Numbers of logs that are tracked from here on, with the length that is synced.
    pub added_logs: Vec<(u64, u64)>,
    pub deleted_logs_before: Option<u64>,
}

/// An SST file that an edit adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewTable {
    pub number: u64,
    pub bytes: u64,
    /// Level 0 is where flushed files go.
    pub level: u64,
    /// Number of the directory that holds it: 0 for the first one, which is that of the database by default.
    pub place: u64,
    /// The highest sequence number in it; 0 where that is not known.
    pub last_sequence: u64,
}

impl Edit {
    /// Decodes a record of a manifest, as RocksDB 10 and all before it write them.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub(crate) fn decode(record: &[u8]) -> Result<Self, &'static str> {
        let mut edit = Self::default();
        let mut input = Input(record);
        while !input.0.is_empty() {
            edit.field(&mut input).ok_or("expected a field of an edit as RocksDB 10 writes them")?;
        }
        Ok(edit)
    }

    fn field(&mut self, input: &mut Input<'_>) -> Option<()> {
        match input.number()? {
            // Comparator.
            1 => drop(input.bytes()?),
            2 => self.log_number = Some(input.number()?),
            // Next file, previous log, maximal column family, remaining edits of a group.
            3 | 9 | 203 | 300 => drop(input.number()?),
            4 => self.last_sequence = Some(input.number()?),
            // Compaction cursor.
            5 => {
                input.number()?;
                input.bytes()?;
            }
            6 => {
                input.number()?;
                self.deleted_tables.push(input.number()?);
            }
            tag @ (7 | 100 | 102 | 103) => self.new_table(tag, input)?,
            10 => self.log_min = self.log_min.max(Some(input.number()?)),
            200 => self.family = u32::try_from(input.number()?).ok()?,
            201 => {
                input.bytes()?;
                self.adds_family = true;
            }
            202 => self.drops_family = true,
            400 => Self::new_blob(input)?,
            401 => {
                input.numbers(3)?;
                input.custom_fields(0, |_, _| Some(()))?;
            }
            tag if tag > TAG_IGNORABLE => self.ignorable(tag.saturating_sub(TAG_IGNORABLE), input)?,
            _ => return None,
        }
        Some(())
    }

    fn new_table(&mut self, tag: u64, input: &mut Input<'_>) -> Option<()> {
        let level = input.number()?;
        let number = input.number()?;
        let mut place = if tag == 102 { input.number()? } else { 0 };
        let bytes = input.number()?;
        input.bytes()?;
        input.bytes()?;
        let mut last_sequence = 0;
        if tag != 7 {
            input.number()?;
            last_sequence = input.number()?;
        }
        if tag == 103 {
            input.custom_fields(1, |tag, field| {
                match tag {
                    3 => self.log_min = self.log_min.max(Some(u64::from_le_bytes(field.try_into().ok()?))),
                    65 => place = u64::from(*field.first()?),
                    _ => {}
                }
                Some(())
            })?;
        }
        self.new_tables.push(NewTable { number, bytes, level, place, last_sequence });
        Some(())
    }

    fn new_blob(input: &mut Input<'_>) -> Option<()> {
        input.numbers(3)?;
        input.bytes()?;
        input.bytes()?;
        input.custom_fields(0, |_, _| Some(()))
    }

    /// Tags count from [`TAG_IGNORABLE`]: 2 and 3 are blob files, 4 and 5 logs, in forms without a length.
    fn ignorable(&mut self, tag: u64, input: &mut Input<'_>) -> Option<()> {
        match tag {
            2 => Self::new_blob(input),
            3 => {
                input.numbers(3)?;
                input.custom_fields(0, |_, _| Some(()))
            }
            4 => self.added_log(input),
            5 => {
                self.deleted_logs_before = Some(input.number()?);
                Some(())
            }
            7 => self.added_log(&mut Input(input.bytes()?)),
            8 => {
                self.deleted_logs_before = Some(Input(input.bytes()?).number()?);
                Some(())
            }
            _ => input.bytes().map(drop),
        }
    }

    fn added_log(&mut self, input: &mut Input<'_>) -> Option<()> {
        let log = input.number()?;
        let mut bytes = 0;
        loop {
            match input.number()? {
                1 => break,
                2 => bytes = input.number()?,
                _ => return None,
            }
        }
        self.added_logs.push((log, bytes));
        Some(())
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Takes a number of 7 bits a byte, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn numbers(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.number().map(drop))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Takes tagged fields up to tag `end`. Tags with bit 6 must be known: of these there is only the number of a path.
    fn custom_fields(&mut self, end: u64, mut each: impl FnMut(u64, &[u8]) -> Option<()>) -> Option<()> {
        loop {
            let tag = self.number()?;
            if tag == end {
                return Some(());
            }
            let field = self.bytes()?;
            each(tag, field)?;
        }
    }
}
