//! Reading a survey: what other validators know of the chains, as JSON lines.
//!
//! The first line is the head; each other line is a chain. The form is checked, and the signatures of answers are not: the
//! program that makes the survey checks these.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use serde::Deserialize;

use crate::bytes::{ChainId, hash_of};
use crate::error::FenceError;

/// Longest line, in bytes. A longer one is refused before it is read whole.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// The first field of the head.
const VERSION: u64 = 1;
/// Characters of a line that errors show.
const SHOWN: usize = 80;

/// What a survey says of a chain's next height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No answerer has voted to confirm a block there: the chain can be fenced.
    Clean,
    /// One has, and the block could not be finished: the chain must be frozen.
    Open,
}

/// What a survey found of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// The highest next height that an answerer proves.
    pub next_height: u64,
    /// Hash of the last block; `None` at height 0.
    pub block: Option<[u8; 32]>,
    /// Whether the chain can be fenced.
    pub verdict: Verdict,
    /// Number of signed answers.
    pub answers: usize,
}

/// A survey, with its chains in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Hash of the genesis configuration.
    pub network: [u8; 32],
    /// Public key of the validator that lost its state.
    pub validator: String,
    /// When the survey began, as the head says it.
    pub started: String,
    /// The operator's statement that nothing holds the key any more.
    pub old_instance: String,
    chains: Vec<(ChainId, Surveyed)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    survey: u64,
    network: String,
    validator: String,
    /// For each epoch the weights of its validators.
    committees: BTreeMap<String, BTreeMap<String, u64>>,
    started: String,
    old_instance: String,
    /// Number of lines that follow.
    chains: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    chain: String,
    next_height: u64,
    block_hash: Option<String>,
    verdict: Verdict,
    answers: Vec<String>,
}

impl Survey {
    /// Reads a survey. Memory is 120 bytes for each chain, and one line.
    ///
    /// # Errors
    ///
    /// [`FenceError::Survey`] for the first line that is not what it should be. It is no JSON, has unknown or missing fields, or
    /// is longer than [`LINE_BYTES_MAX`]. Or a chain comes twice, or there are fewer or more chains than the head says.
    /// [`FenceError::Read`] when reading fails.
    pub fn read(input: impl BufRead) -> Result<Self, FenceError> {
        let mut lines = Lines { input, number: 0 };
        let expected =
            "a head: an object with survey, network, validator, committees, started, old_instance and chains";
        let Some(text) = lines.next()? else { return Err(lines.wrong(expected, "an empty file")) };
        let head: Head =
            serde_json::from_str(&text).map_err(|error| lines.no_json(expected, &text, &error))?;
        let network = check_head(&head, &lines)?;
        let mut chains: Vec<(ChainId, u64, Surveyed)> = Vec::new();
        while let Some(text) = lines.next()? {
            if chains.len() as u64 >= head.chains {
                let expected = format!("the end after {} chains, as the head says", head.chains);
                return Err(lines.wrong(expected, "one more"));
            }
            let (id, surveyed) = parse_line(&text, &lines)?;
            chains.push((id, lines.number, surveyed));
        }
        if (chains.len() as u64) < head.chains {
            let expected = format!("{} chains, as the head says", head.chains);
            let found = format!("the end of the file after {}", chains.len());
            return Err(FenceError::Survey { line: lines.number, expected, found });
        }
        chains.sort_unstable_by_key(|(id, line, _)| (*id, *line));
        let mut pairs = chains.iter().zip(chains.iter().skip(1));
        if let Some(((_, first, _), (id, line, _))) = pairs.find(|(one, other)| one.0 == other.0) {
            let (expected, found) = ("each chain once".to_owned(), format!("chain {id} as in line {first}"));
            return Err(FenceError::Survey { line: *line, expected, found });
        }
        let chains = chains.into_iter().map(|(id, _, surveyed)| (id, surveyed)).collect();
        let Head { validator, started, old_instance, .. } = head;
        Ok(Self { network, validator, started, old_instance, chains })
    }

    /// Returns what was found of a chain; `None` when the survey does not name it.
    #[must_use]
    pub fn get(&self, chain: ChainId) -> Option<&Surveyed> {
        let index = self.chains.binary_search_by_key(&chain, |(id, _)| *id).ok()?;
        self.chains.get(index).map(|(_, surveyed)| surveyed)
    }

    /// Lists the chains, in the order of their ids.
    pub fn ids(&self) -> impl Iterator<Item = ChainId> {
        self.chains.iter().map(|(id, _)| *id)
    }

    /// Returns the number of chains.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chains.len()
    }

    /// Returns true if the survey names no chain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }
}

fn check_head<R>(head: &Head, lines: &Lines<R>) -> Result<[u8; 32], FenceError> {
    let wrong = |expected: &str, found: &str| Err(lines.wrong(expected, found));
    if head.survey != VERSION {
        return wrong("a survey of version 1", &format!("version {}", head.survey));
    }
    let Some(network) = hash_of(&head.network) else {
        return wrong("the network as 64 hex digits", &head.network);
    };
    for (name, text) in [("validator", &head.validator), ("started", &head.started)] {
        if text.is_empty() {
            return wrong("the head's field to hold something", &format!("an empty {name}"));
        }
    }
    if head.old_instance.trim().is_empty() {
        return wrong("in old_instance the statement that nothing holds the key any more", "an empty text");
    }
    if head.committees.is_empty() || head.committees.values().any(BTreeMap::is_empty) {
        return wrong("in committees the weights of the validators of each epoch", "none");
    }
    Ok(network)
}

fn parse_line<R>(text: &str, lines: &Lines<R>) -> Result<(ChainId, Surveyed), FenceError> {
    let expected = "an object with chain, next_height, block_hash, verdict (clean or open) and answers";
    let line: Line = serde_json::from_str(text).map_err(|error| lines.no_json(expected, text, &error))?;
    let wrong = |expected: &str, found: &str| Err(lines.wrong(expected, found));
    let Some(id) = hash_of(&line.chain) else {
        return wrong("a chain as 64 hex digits", &line.chain);
    };
    let block = match &line.block_hash {
        None => None,
        Some(text) => match hash_of(text) {
            None => return wrong("a block_hash as 64 hex digits, or null", text),
            hash => hash,
        },
    };
    if block.is_some() != (line.next_height > 0) {
        let found = if block.is_some() { "a hash at height 0" } else { "null above height 0" };
        return wrong("a block_hash above height 0, and null there", found);
    }
    if line.answers.is_empty() {
        return wrong("at least one answer", "none");
    }
    let is_base64 = |text: &String| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    if let Some(answer) = line.answers.iter().find(|answer| !is_base64(answer)) {
        return wrong("answers in base64", answer);
    }
    let Line { next_height, verdict, answers, .. } = line;
    Ok((ChainId(id), Surveyed { next_height, block, verdict, answers: answers.len() }))
}

/// The lines of a file, with the number of the one that was read last.
struct Lines<R> {
    input: R,
    number: u64,
}

impl<R> Lines<R> {
    fn wrong(&self, expected: impl Into<String>, found: &str) -> FenceError {
        let shown: String = found.chars().take(SHOWN).collect();
        let found = if shown.len() < found.len() { format!("{shown}..") } else { shown };
        FenceError::Survey { line: self.number.max(1), expected: expected.into(), found }
    }

    fn no_json(&self, expected: &str, text: &str, error: &serde_json::Error) -> FenceError {
        let shown: String = text.chars().take(SHOWN).collect();
        FenceError::Survey {
            line: self.number,
            expected: expected.to_owned(),
            found: format!("{error}, in {shown}"),
        }
    }
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line, without its end; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<String>, FenceError> {
        let mut line = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        let number = self.number + 1;
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut line);
        if read.map_err(|source| FenceError::Read { line: number, source })? == 0 {
            return Ok(None);
        }
        self.number = number;
        if line.last() != Some(&b'\n') {
            if line.len() > LINE_BYTES_MAX {
                return Err(self.wrong(format!("a line of at most {LINE_BYTES_MAX} bytes"), "a longer one"));
            }
            return Err(self.wrong("an end of the line", "the end of the file: it was cut off"));
        }
        line.pop();
        String::from_utf8(line).map(Some).map_err(|_| self.wrong("text in UTF-8", "other bytes"))
    }
}
