//! Finds where a path of a document stands in the text it was read from.
//!
//! Only called once something is wrong, so that texts without a problem pay nothing for it.

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Span};

use super::fault::{Part, Path, Segment};
use super::read::{NESTING_MAX, Notation};

/// A line and a column, from one; columns count characters.
pub(crate) type LineColumn = (u32, u32);

/// A text as a tree of positions.
pub(crate) struct Positions<'t> {
    text: &'t str,
    documents: Vec<Node>,
}

/// Where a value stands.
struct Node {
    start: LineColumn,
    content: Content,
}

enum Content {
    Scalar {
        style: ScalarStyle,
        value: String,
        /// Where the scalar starts in the text, in bytes.
        from: Option<usize>,
    },
    List(Vec<Node>),
    Object(Vec<(String, LineColumn, Node)>),
}

impl<'t> Positions<'t> {
    /// Reads the positions of a text; after a place that cannot be read there are none.
    pub(crate) fn of(text: &'t str, notation: Notation) -> Self {
        let options = granit_parser::options! { emit_comments: false };
        let mut builder = Builder::default();
        for event in Parser::new_from_str_with_options(text, options) {
            let Ok((event, span)) = event else { break };
            if !builder.take(event, span) {
                break;
            }
        }
        let mut documents = builder.finish();
        if notation == Notation::JsonList
            && let Some(Content::List(elements)) = documents.pop().map(|document| document.content)
        {
            documents = elements;
        }
        Positions { text, documents }
    }

    /// Where a document starts.
    pub(crate) fn document(&self, index: usize) -> Option<LineColumn> {
        Some(self.documents.get(index)?.start)
    }

    /// Where a part of a document stands; the nearest known place above it if it is not there itself.
    pub(crate) fn find(&self, document: usize, path: &Path, part: &Part) -> Option<LineColumn> {
        let mut node = self.documents.get(document)?;
        let mut start = node.start;
        for segment in &path.0 {
            let next = match (segment, &node.content) {
                (Segment::Key(key), Content::Object(fields)) => fields
                    .iter()
                    .find(|(name, ..)| name == key)
                    .map(|(_, _, node)| node),
                (Segment::Index(index), Content::List(elements)) => elements.get(*index),
                _ => None,
            };
            let Some(next) = next else { return Some(start) };
            node = next;
            start = node.start;
        }
        match (part, &node.content) {
            (Part::Field(name), Content::Object(fields)) => {
                let field = fields.iter().find(|(known, ..)| known == name);
                Some(field.map_or(start, |(_, place, _)| *place))
            }
            (Part::Within(offset), Content::Scalar { style, value, from }) => Some(
                self.within(*style, value, *from, start, *offset)
                    .unwrap_or(start),
            ),
            _ => Some(start),
        }
    }

    /// Where a byte of a scalar's value stands, if the value stands in the text as it is.
    fn within(
        &self,
        style: ScalarStyle,
        value: &str,
        from: Option<usize>,
        start: LineColumn,
        offset: usize,
    ) -> Option<LineColumn> {
        let before = value.get(..offset)?;
        let source = self.text.get(from?..)?;
        match style {
            ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let quote = usize::from(style != ScalarStyle::Plain);
                let inside = source.get(quote..)?;
                let verbatim = inside.starts_with(before) && !before.contains('\n');
                verbatim.then(|| (start.0, start.1 + count(quote + before.chars().count())))
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let lines_before = before.matches('\n').count();
                let in_line = before.rsplit('\n').next().unwrap_or_default();
                let written = value.lines().nth(lines_before)?;
                // The first line is the header with its `|`; the span may start there or at the content.
                let header = usize::from(source.starts_with(['|', '>']));
                let line = source.lines().nth(lines_before + header)?;
                let indent = match (header, lines_before) {
                    (0, 0) => 0,
                    _ => line.strip_suffix(written)?.chars().count(),
                };
                let column_start = if (header, lines_before) == (0, 0) {
                    start.1
                } else {
                    1
                };
                let column = column_start + count(indent + in_line.chars().count());
                Some((start.0 + count(lines_before + header), column))
            }
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Collects events into trees without recursion, so that nesting costs no stack.
#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
}

/// A list or object that has not ended.
struct Open {
    start: LineColumn,
    content: Content,
    /// The name of the field whose value comes next.
    field: Option<(String, LineColumn)>,
}

impl Builder {
    /// Takes an event in; answers whether to go on.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        let start = (count(span.start.line()), count(span.start.col() + 1));
        match event {
            Event::Scalar(value, style, ..) => {
                let content = Content::Scalar {
                    style,
                    value: value.into_owned(),
                    from: span.start.byte_offset(),
                };
                self.close(Node { start, content });
            }
            Event::Alias(_) => {
                let content = Content::List(Vec::new());
                self.close(Node { start, content });
            }
            Event::SequenceStart(..) => self.open(start, Content::List(Vec::new())),
            Event::MappingStart(..) => self.open(start, Content::Object(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { start, content, .. }) = self.open.pop() {
                    self.close(Node { start, content });
                }
            }
            _ => (),
        }
        self.open.len() <= NESTING_MAX * 2
    }

    fn open(&mut self, start: LineColumn, content: Content) {
        self.open.push(Open {
            start,
            content,
            field: None,
        });
    }

    /// Puts a finished value where it belongs.
    fn close(&mut self, node: Node) {
        let Some(parent) = self.open.last_mut() else {
            if !is_nothing(&node) {
                self.documents.push(node);
            }
            return;
        };
        match &mut parent.content {
            Content::Scalar { .. } => (),
            Content::List(elements) => elements.push(node),
            Content::Object(fields) => match parent.field.take() {
                Some((name, place)) => fields.push((name, place, node)),
                None => {
                    let name = match node.content {
                        Content::Scalar { value, .. } => value,
                        _ => String::new(),
                    };
                    parent.field = Some((name, node.start));
                }
            },
        }
    }

    /// The documents, with what was still open when the text could not be read on.
    fn finish(mut self) -> Vec<Node> {
        while let Some(Open { start, content, .. }) = self.open.pop() {
            self.close(Node { start, content });
        }
        self.documents
    }
}

/// Documents without content are not documents to the reader either.
fn is_nothing(node: &Node) -> bool {
    match &node.content {
        Content::Scalar { style, value, .. } => {
            *style == ScalarStyle::Plain
                && matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL")
        }
        _ => false,
    }
}
