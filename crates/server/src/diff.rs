//! Comparing two texts line by line.

use trainmaster_api::{DiffLine, DiffSign};

/// Kept lines that are shown round a change.
const CONTEXT: usize = 3;

/// Larger middles are shown as replaced as a whole; the table would grow with their product.
const CELLS_MAX: usize = 4_000_000;

/// What differs from an old to a new text, with a few lines round each change; nothing if nothing does.
pub(crate) fn lines(old: &str, new: &str) -> Vec<DiffLine> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same_head = old
        .iter()
        .zip(&new)
        .take_while(|(one, other)| one == other)
        .count();
    let (old_rest, new_rest) = (&old[same_head..], &new[same_head..]);
    let same_tail = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    let (old_middle, tail) = old_rest.split_at(old_rest.len() - same_tail);
    let new_middle = &new_rest[..new_rest.len() - same_tail];
    let mut all: Vec<(DiffSign, &str)> = old[..same_head]
        .iter()
        .map(|line| (DiffSign::Kept, *line))
        .collect();
    all.extend(middle(old_middle, new_middle));
    all.extend(tail.iter().map(|line| (DiffSign::Kept, *line)));
    with_context(&all)
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(DiffSign, &'a str)> {
    if old.len().saturating_mul(new.len()) > CELLS_MAX {
        let removed = old.iter().map(|line| (DiffSign::Removed, *line));
        return removed
            .chain(new.iter().map(|line| (DiffSign::Added, *line)))
            .collect();
    }
    let width = new.len() + 1;
    // Length of the longest common part of what follows each pair of positions.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for row in (0..old.len()).rev() {
        for column in (0..new.len()).rev() {
            common[row * width + column] = if old[row] == new[column] {
                common[(row + 1) * width + column + 1] + 1
            } else {
                common[(row + 1) * width + column].max(common[row * width + column + 1])
            };
        }
    }
    let (mut row, mut column, mut found) = (0, 0, Vec::new());
    while row < old.len() || column < new.len() {
        let is_same = row < old.len() && column < new.len() && old[row] == new[column];
        let skips_old = column == new.len()
            || (row < old.len()
                && common[(row + 1) * width + column] >= common[row * width + column + 1]);
        if is_same {
            found.push((DiffSign::Kept, old[row]));
            (row, column) = (row + 1, column + 1);
        } else if skips_old {
            found.push((DiffSign::Removed, old[row]));
            row += 1;
        } else {
            found.push((DiffSign::Added, new[column]));
            column += 1;
        }
    }
    found
}

fn with_context(all: &[(DiffSign, &str)]) -> Vec<DiffLine> {
    let changed: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, (sign, _))| *sign != DiffSign::Kept)
        .map(|(index, _)| index)
        .collect();
    let mut shown = vec![false; all.len()];
    for index in changed {
        let (first, last) = (
            index.saturating_sub(CONTEXT),
            (index + CONTEXT).min(all.len() - 1),
        );
        shown[first..=last].fill(true);
    }
    let mut lines = Vec::new();
    let mut is_gap = false;
    for ((sign, text), shown) in all.iter().zip(shown) {
        if shown {
            if is_gap {
                lines.push(DiffLine {
                    sign: DiffSign::Gap,
                    text: String::new(),
                });
            }
            is_gap = false;
            lines.push(DiffLine {
                sign: *sign,
                text: (*text).to_owned(),
            });
        } else {
            is_gap = true;
        }
    }
    if is_gap && !lines.is_empty() {
        lines.push(DiffLine {
            sign: DiffSign::Gap,
            text: String::new(),
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> Vec<String> {
        let sign = |sign| match sign {
            DiffSign::Added => '+',
            DiffSign::Removed => '-',
            DiffSign::Kept => ' ',
            DiffSign::Gap => '~',
        };
        lines(old, new)
            .into_iter()
            .map(|line| format!("{}{}", sign(line.sign), line.text))
            .collect()
    }

    #[test]
    fn equal_texts_show_nothing() {
        assert!(shown("a\nb", "a\nb").is_empty());
    }

    #[test]
    fn a_changed_line_is_shown_with_what_stands_round_it() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9";
        assert_eq!(
            shown(old, new),
            ["~", " 2", " 3", " 4", "-5", "+five", " 6", " 7", " 8", "~"]
        );
    }

    #[test]
    fn an_inserted_block_moves_what_follows_without_showing_it_as_changed() {
        assert_eq!(
            shown("a\nb\nc", "a\nx\ny\nb\nc"),
            [" a", "+x", "+y", " b", " c"]
        );
        assert_eq!(shown("", "a"), ["+a"]);
        assert_eq!(shown("a\nb\nc\nd", "b\nd"), ["-a", " b", "-c", " d"]);
    }
}
