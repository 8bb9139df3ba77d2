//! Aligned columns and aligned pairs for people.
//!
//! It refuses to wrap or cut: what a terminal cannot hold is the terminal's business, and nothing is hidden.

use crate::paint::Paint;
use unicode_width::UnicodeWidthStr;

/// How a cell is coloured.
pub(crate) type Colour = fn(Paint, &str) -> String;

/// Rows under a headline. Cells are measured without their colour, so colour is given per column.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
    colours: Vec<(usize, Colour)>,
}

impl Table {
    pub(crate) fn new(head: &[&'static str]) -> Table {
        Table { head: head.to_vec(), ..Table::default() }
    }

    /// Numbers are easier to compare when they end below each other.
    pub(crate) fn right(mut self, column: usize) -> Table {
        self.right.push(column);
        self
    }

    pub(crate) fn colour(mut self, column: usize, colour: Colour) -> Table {
        self.colours.push((column, colour));
        self
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell)).collect());
    }

    pub(crate) fn render(&self, paint: Paint) -> String {
        let head: Vec<String> = self.head.iter().map(|name| (*name).to_owned()).collect();
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = self.rows.iter().chain([&head]);
                cells.filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
            })
            .collect();
        let mut text = self.line(&head, &widths, |_, cell| paint.dim(cell));
        for row in &self.rows {
            text += &self.line(row, &widths, |column, cell| {
                match self.colours.iter().find(|(coloured, _)| *coloured == column) {
                    Some((_, colour)) => colour(paint, cell),
                    None => cell.to_owned(),
                }
            });
        }
        text
    }

    fn line(&self, row: &[String], widths: &[usize], colour: impl Fn(usize, &str) -> String) -> String {
        let mut line = String::new();
        // Trailing blanks would make a line wrap for nothing.
        let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
        for (column, cell) in row.iter().enumerate().take(last + 1) {
            let blank = " ".repeat(widths[column] - cell.width());
            if self.right.contains(&column) {
                line += &blank;
            }
            line += &colour(column, cell);
            if column < last {
                if !self.right.contains(&column) {
                    line += &blank;
                }
                line += "  ";
            }
        }
        line.push('\n');
        line
    }
}

/// Names with what they name, one a line; further lines of a value are set in.
pub(crate) fn pairs(pairs: &[(&str, String)], paint: Paint) -> String {
    let width = pairs.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in pairs {
        let blank = " ".repeat(width - name.width());
        let value = value.replace('\n', &format!("\n{}", " ".repeat(width + 2)));
        text += &format!("{}{blank}  {value}\n", paint.dim(name));
    }
    text
}

/// The text with control characters written out: a name must not move the cursor of who reads it.
pub(crate) fn visible(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests;
