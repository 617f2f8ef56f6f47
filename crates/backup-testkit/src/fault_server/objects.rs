//! Objects in memory, and how requests for them are answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::BUCKET;
use super::http::{Answer, Head};

const MODIFIED: (&str, &str) = ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT");

#[derive(Default)]
pub(super) struct Objects(BTreeMap<String, Vec<u8>>);

impl Objects {
    pub fn keys(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub fn answer(&mut self, head: &Head, body: Vec<u8>) -> Answer {
        match head.method.as_str() {
            _ if head.bucket != BUCKET => Answer::error(404, "NoSuchBucket"),
            "GET" if head.is_list() => self.list(head),
            "GET" => self.get(head),
            "PUT" => self.put(head, body),
            "DELETE" => {
                self.0.remove(&head.key);
                Answer::new(204)
            }
            "POST" if head.query.contains_key("delete") => self.delete_listed(&body),
            _ => Answer::error(501, "NotImplemented"),
        }
    }

    fn get(&self, head: &Head) -> Answer {
        let Some(bytes) = self.0.get(&head.key) else { return Answer::error(404, "NoSuchKey") };
        let mut answer = Answer::new(200);
        answer.fields = vec![("ETag", tag(bytes)), (MODIFIED.0, MODIFIED.1.to_owned())];
        let range = head.fields.get("range").and_then(|range| range.strip_prefix("bytes="));
        let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
            answer.body = bytes.clone();
            return answer;
        };
        let first: usize = first.parse().unwrap_or(0);
        let end = last.parse::<usize>().map_or(bytes.len(), |last| bytes.len().min(last + 1));
        let Some(part) = bytes.get(first..end) else { return Answer::error(416, "InvalidRange") };
        let range = format!("bytes {first}-{}/{}", end.saturating_sub(1), bytes.len());
        answer.fields.push(("Content-Range", range));
        (answer.status, answer.body) = (206, part.to_vec());
        answer
    }

    fn put(&mut self, head: &Head, body: Vec<u8>) -> Answer {
        if head.fields.get("if-none-match").is_some_and(|tag| tag == "*") && self.0.contains_key(&head.key) {
            return Answer::error(412, "PreconditionFailed");
        }
        let mut answer = Answer::new(200);
        answer.fields = vec![("ETag", tag(&body))];
        self.0.insert(head.key.clone(), body);
        answer
    }

    /// Lists all in one page.
    fn list(&self, head: &Head) -> Answer {
        let prefix = head.query.get("prefix").map_or("", String::as_str);
        let mut text = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
        for (key, bytes) in self.0.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let written = write!(
                text,
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{}</ETag>\
                 <Size>{}</Size></Contents>",
                tag(bytes),
                bytes.len()
            );
            debug_assert!(written.is_ok());
        }
        text += "</ListBucketResult>";
        Answer { body: text.into_bytes(), ..Answer::new(200) }
    }

    fn delete_listed(&mut self, body: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(body);
        let mut answer = "<?xml version=\"1.0\"?><DeleteResult>".to_owned();
        for part in text.split("<Key>").skip(1) {
            let key = part.split('<').next().unwrap_or_default();
            self.0.remove(key);
            answer += &format!("<Deleted><Key>{key}</Key></Deleted>");
        }
        answer += "</DeleteResult>";
        Answer { body: answer.into_bytes(), ..Answer::new(200) }
    }
}

fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", blake3::hash(bytes).to_hex())
}
