//! The live feed of a release: server-sent events, resumed where they broke off.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::Method;

use crate::client::{Client, patiently};
use crate::failure::Failure;

/// Pause before a broken stream is opened again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// What comes from the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Live {
    /// An event of the journal, as the server wrote it.
    Event(String),
    /// The position is too old for the server: everything is to be read anew.
    Relist,
}

/// A stream of events after a position; breaks of the line are mended without a gap.
pub(crate) struct Feed {
    client: Client,
    release: String,
    after: String,
    open: Option<BoxStream<'static, reqwest::Result<Vec<u8>>>>,
    parser: Parser,
}

impl Feed {
    /// The events of a release after a position of the journal.
    pub(crate) fn new(client: &Client, release: &str, after: u64) -> Feed {
        Feed {
            client: client.clone(),
            release: release.to_owned(),
            after: after.to_string(),
            open: None,
            parser: Parser::default(),
        }
    }

    /// The next event, however long that takes; a refusal by the server ends it.
    pub(crate) async fn next(&mut self) -> Result<Live, Failure> {
        loop {
            if let Some(message) = self.parser.messages.pop_front() {
                if let Some(id) = message.id {
                    self.after = id;
                }
                match message.name.as_str() {
                    "relist" => return Ok(Live::Relist),
                    _ if message.data.is_empty() => (),
                    _ => return Ok(Live::Event(message.data)),
                }
                continue;
            }
            self.read_on().await?;
        }
    }

    async fn read_on(&mut self) -> Result<(), Failure> {
        let Some(stream) = &mut self.open else {
            self.parser = Parser::default();
            self.open = Some(patiently(async || self.connect().await).await?);
            return Ok(());
        };
        match stream.next().await {
            Some(Ok(bytes)) => self.parser.take(&bytes),
            Some(Err(_)) | None => {
                self.open = None;
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<BoxStream<'static, reqwest::Result<Vec<u8>>>, Failure> {
        let query = [
            ("release", self.release.clone()),
            ("after", self.after.clone()),
        ];
        let request = self
            .client
            .request(Method::GET, &["api", "v1", "events"], &query)
            .accept("text/event-stream");
        let response = self.client.stream(&request).await?;
        Ok(response
            .bytes_stream()
            .map(|bytes| bytes.map(|bytes| bytes.to_vec()))
            .boxed())
    }
}

/// Takes bytes in and gives messages out (the format of server-sent events).
#[derive(Default)]
struct Parser {
    rest: Vec<u8>,
    message: Message,
    messages: std::collections::VecDeque<Message>,
}

/// One message of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Message {
    id: Option<String>,
    name: String,
    data: String,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end_matches(['\n', '\r']));
        }
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            if message != Message::default() {
                self.messages.push_back(message);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.message.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.message.name),
            "data" if self.message.data.is_empty() => value.clone_into(&mut self.message.data),
            "data" => {
                self.message.data.push('\n');
                self.message.data.push_str(value);
            }
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, name: &str, data: &str) -> Message {
        let id = (!id.is_empty()).then(|| id.to_owned());
        Message {
            id,
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn messages_come_out_whole_however_the_bytes_arrive() {
        let text =
            ": alive\n\nid: 7\nevent: activity\ndata: {\"a\":1}\n\nid:8\ndata:x\ndata: y\r\n\r\n";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            for bytes in text.as_bytes().chunks(size) {
                parser.take(bytes);
            }
            let messages: Vec<_> = parser.messages.into();
            let expected = [
                message("7", "activity", "{\"a\":1}"),
                message("8", "", "x\ny"),
            ];
            assert_eq!(messages, expected, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn half_a_message_stays_inside() {
        let mut parser = Parser::default();
        parser.take(b"id: 7\ndata: half");
        assert!(parser.messages.is_empty());
    }
}
