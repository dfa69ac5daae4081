//! Tables: columns of cells as a CSV file has them.

use super::mark::Mark;
use super::{Parts, Split};
use crate::error::{Error, Result};
use crate::files::read_file;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// What stands in a cell without a value, in any case.
const MISSING: [&str; 8] = ["", "na", "n/a", "nan", "null", "none", "?", "-"];

/// What can stand between cells.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Columns of equally many cells, with names.
///
/// Cells are kept as text, each distinct one once a column, so that a number can be a category (`007` stays `007`); a
/// column is one of numbers if every cell with a value is one. A cell has no value where it is empty or says NA, N/A, NaN,
/// null, none, `?` or `-`, in any case.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
    mark: Mark,
}

/// A column of a [`Table`].
#[derive(Clone, Debug)]
pub struct Column {
    name: String,
    /// The distinct cells, in the order in which they first occur; parts of a table share them.
    values: Arc<[Box<str>]>,
    /// The cell of each row.
    cells: Vec<u32>,
}

/// What the cells of a [`Column`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Every cell with a value is a finite number.
    Number,
    /// Words, or anything else.
    Category,
    /// No cell has a value.
    Empty,
}

impl Table {
    /// Reads a CSV file: UTF-8 with or without a byte-order mark, the names of the columns in the first line, cells
    /// between commas, semicolons, tabs or bars (whichever the first line has most of; tabs in a `.tsv` file), quoted where
    /// they hold one ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)). Spaces around cells do not count. A column without a name is
    /// `column_N`, counted from 1.
    ///
    /// # Errors
    /// A file that cannot be read or is no UTF-8, a row of more or fewer cells than there are columns, two columns of one
    /// name, no rows.
    pub fn read(path: impl AsRef<Path>) -> Result<Table> {
        let path = path.as_ref();
        Table::parse(&read_file(path)?, path)
    }

    /// [`Table::read`] from bytes; `path` is for errors.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Table> {
        let wrong = |message: String| Error::file(path, message);
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let line = bytes[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
            wrong(format!("is no UTF-8 text: line {line} holds other bytes; convert it, as with `iconv -t UTF-8`"))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let is_tsv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(if is_tsv { b'\t' } else { delimiter(text) })
            .trim(csv::Trim::All)
            .flexible(true)
            .has_headers(false)
            .from_reader(text.as_bytes());
        let mut record = csv::StringRecord::new();
        let mut next = |record: &mut csv::StringRecord| {
            reader.read_record(record).map_err(|e| wrong(format!("is no CSV file: {e}")))
        };
        if !next(&mut record)? {
            return Err(wrong("is empty: expected a line with the names of the columns".into()));
        }
        let mut builders = Vec::with_capacity(record.len());
        for (i, name) in record.iter().enumerate() {
            let name = if name.is_empty() { format!("column_{}", i + 1) } else { name.to_string() };
            builders.push(Builder { name, places: HashMap::new(), cells: Vec::new() });
        }
        let mut names: Vec<&str> = builders.iter().map(|b| &*b.name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(format!("has two columns `{}`: each needs a name of its own", twice[0])));
        }
        let mut rows = 0;
        while next(&mut record)? {
            if record.len() != builders.len() {
                let (row, want, got) = (rows + 1, builders.len(), record.len());
                return Err(wrong(format!("row {row} has {got} cells, the first line names {want} columns")));
            }
            builders.iter_mut().zip(&record).try_for_each(|(builder, cell)| builder.push(cell).map_err(&wrong))?;
            rows += 1;
        }
        if rows == 0 {
            return Err(wrong("has no rows below the names of the columns".into()));
        }
        Ok(Table { columns: builders.into_iter().map(Builder::finish).collect(), rows, mark: Mark::default() })
    }

    /// A table of these columns: names, and the cell of each row.
    ///
    /// # Errors
    /// Columns of different lengths or of one name, no rows.
    pub fn from_columns<'a, C>(columns: impl IntoIterator<Item = (&'a str, C)>) -> Result<Table>
    where
        C: IntoIterator<Item: AsRef<str>>,
    {
        let wrong = |message: String| Err(Error::Data(message));
        let mut built: Vec<Column> = Vec::new();
        for (name, cells) in columns {
            let mut builder = Builder { name: name.into(), places: HashMap::new(), cells: Vec::new() };
            cells.into_iter().try_for_each(|cell| builder.push(cell.as_ref().trim())).map_err(Error::Data)?;
            let column = builder.finish();
            if let Some(first) = built.first().filter(|first| first.cells.len() != column.cells.len()) {
                let (want, got) = (first.cells.len(), column.cells.len());
                return wrong(format!("column `{name}` has {got} cells, column `{}` has {want}", first.name));
            }
            if built.iter().any(|c| c.name == name) {
                return wrong(format!("two columns `{name}`: each needs a name of its own"));
            }
            built.push(column);
        }
        match built.first().map_or(0, |c| c.cells.len()) {
            0 => wrong("a table needs at least one row".into()),
            rows => Ok(Table { columns: built, rows, mark: Mark::default() }),
        }
    }

    /// How many rows there are, at least one.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.columns.iter().find(|c| c.name == name).ok_or_else(|| {
            let known: Vec<_> = self.columns.iter().map(|c| &*c.name).collect();
            Error::Data(format!("the table has no column `{name}`; it has {}", known.join(", ")))
        })
    }

    /// A part to train on and one that is held out: about this fraction of the rows.
    ///
    /// # Errors
    /// A table that a [`FeatureSpace`](super::FeatureSpace) adapted to; as [`Split::indices`].
    pub fn split(&self, fraction: f64, split: &Split) -> Result<(Table, Table)> {
        self.parts(split.indices(self.rows, fraction)?)
    }

    /// `k` times a part to train on and one that is held out.
    ///
    /// # Errors
    /// A table that a [`FeatureSpace`](super::FeatureSpace) adapted to; as [`Split::folds`].
    pub fn k_fold(&self, k: usize, split: &Split) -> Result<Vec<(Table, Table)>> {
        split.folds(self.rows, k)?.into_iter().map(|parts| self.parts(parts)).collect()
    }

    fn parts(&self, (kept, held_out): Parts) -> Result<(Table, Table)> {
        let marks = self.mark.split()?;
        Ok((Table { mark: marks.0, ..self.take(&kept)? }, Table { mark: marks.1, ..self.take(&held_out)? }))
    }

    /// What may be done with it.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// The rows of these numbers, in this order; still of the same part.
    ///
    /// # Errors
    /// A number that no row has; no numbers.
    pub fn take(&self, rows: &[i32]) -> Result<Table> {
        if let Some(row) = rows.iter().find(|&&row| row < 0 || row as usize >= self.rows) {
            return Err(Error::Data(format!("there is no row {row} in a table of {} rows", self.rows)));
        }
        if rows.is_empty() {
            return Err(Error::Data("a table needs at least one row".into()));
        }
        let pick = |c: &Column| Column {
            name: c.name.clone(),
            values: c.values.clone(),
            cells: rows.iter().map(|&row| c.cells[row as usize]).collect(),
        };
        Ok(Table { columns: self.columns.iter().map(pick).collect(), rows: rows.len(), mark: self.mark.clone() })
    }
}

impl Column {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cell of each row: its text, or nothing where it has no value.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        let values: Vec<_> = self.values.iter().map(|v| Some(&**v).filter(|v| !is_missing(v))).collect();
        self.cells.iter().map(move |&cell| values[cell as usize])
    }

    /// What the cells are.
    pub fn kind(&self) -> ColumnKind {
        let mut kind = ColumnKind::Empty;
        for (value, _) in self.counts() {
            if number(value).is_none() {
                return ColumnKind::Category;
            }
            kind = ColumnKind::Number;
        }
        kind
    }

    /// How many cells with a value are no numbers, and the first of them with its row, from 0.
    pub(super) fn words(&self) -> (usize, Option<(usize, &str)>) {
        let word: Vec<bool> = self.values.iter().map(|v| !is_missing(v) && number(v).is_none()).collect();
        let mut rows = self.cells.iter().enumerate().filter(|(_, cell)| word[**cell as usize]).peekable();
        let first = rows.peek().map(|(row, cell)| (*row, &*self.values[**cell as usize]));
        (rows.count(), first)
    }

    /// How many cells have no value.
    pub fn missing(&self) -> usize {
        self.cells().filter(Option::is_none).count()
    }

    /// The distinct values and how often each occurs, the most frequent first, equally frequent ones by their text.
    pub fn counts(&self) -> Vec<(&str, usize)> {
        let mut counts = vec![0; self.values.len()];
        self.cells.iter().for_each(|&cell| counts[cell as usize] += 1);
        let values = self.values.iter().map(|v| &**v).zip(counts);
        let mut counts: Vec<_> = values.filter(|(value, count)| *count > 0 && !is_missing(value)).collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        counts
    }

    /// The number in each row, NaN where there is no value.
    ///
    /// # Errors
    /// A cell that is no finite number.
    pub fn numbers(&self) -> Result<Vec<f64>> {
        let values: Vec<_> =
            self.values.iter().map(|v| if is_missing(v) { Some(f64::NAN) } else { number(v) }).collect();
        let cell = |(row, &cell): (usize, &u32)| {
            values[cell as usize].ok_or_else(|| {
                let (name, text) = (&self.name, &self.values[cell as usize]);
                Error::Data(format!("column `{name}`, row {}: expected a number, got `{text}`", row + 1))
            })
        };
        self.cells.iter().enumerate().map(cell).collect()
    }
}

/// Whether a cell says that it has no value.
fn is_missing(cell: &str) -> bool {
    MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|x: &f64| x.is_finite())
}

/// What the first line has most of outside of quotes; a comma if it has nothing of the kind.
fn delimiter(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [0; DELIMITERS.len()];
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if quoted => {}
            _ => DELIMITERS.iter().zip(&mut counts).for_each(|(&d, count)| *count += usize::from(d == byte)),
        }
    }
    // The first of equals: a comma.
    let most = counts.iter().max().copied().unwrap_or(0);
    counts.iter().position(|&count| count == most).map_or(b',', |i| DELIMITERS[i])
}

/// A column that grows.
struct Builder {
    name: String,
    places: HashMap<Box<str>, u32>,
    cells: Vec<u32>,
}

impl Builder {
    fn push(&mut self, cell: &str) -> Result<(), String> {
        let place = match self.places.get(cell) {
            Some(&place) => place,
            None => {
                let place = u32::try_from(self.places.len());
                let place = place.map_err(|_| format!("column `{}` holds too many values", self.name))?;
                self.places.insert(cell.into(), place);
                place
            }
        };
        self.cells.push(place);
        Ok(())
    }

    fn finish(self) -> Column {
        let mut values = vec![Box::default(); self.places.len()];
        self.places.into_iter().for_each(|(value, place)| values[place as usize] = value);
        Column { name: self.name, values: values.into(), cells: self.cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Table> {
        Table::parse(text.as_bytes(), Path::new("t.csv"))
    }

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn cells_have_types() -> Result<()> {
        let table = parse("\u{feff}age, city ,zip,empty\r\n 3.5,\"Rome, Italy\",007,\n?,Bonn,12,NA\n-1e3,Bonn,7,\n")?;
        let kinds: Vec<_> = table.columns().iter().map(|c| (c.name(), c.kind())).collect();
        use ColumnKind::{Category, Empty, Number};
        assert_eq!(kinds, [("age", Number), ("city", Category), ("zip", Number), ("empty", Empty)]);
        let ages = table.column("age")?.numbers()?;
        assert!(ages[0] == 3.5 && ages[1].is_nan() && ages[2] == -1000.0, "{ages:?}");
        assert_eq!((table.rows(), table.column("age")?.missing(), table.column("empty")?.missing()), (3, 1, 3));
        assert_eq!(table.column("city")?.counts(), [("Bonn", 2), ("Rome, Italy", 1)]);
        let zip: Vec<_> = table.column("zip")?.cells().flatten().collect();
        assert_eq!(zip, ["007", "12", "7"]);
        let last = table.take(&[2, 0])?;
        assert_eq!(last.column("city")?.cells().flatten().collect::<Vec<_>>(), ["Bonn", "Rome, Italy"]);
        assert_eq!(last.column("zip")?.counts(), [("007", 1), ("7", 1)], "values of rows that are gone do not count");
        Ok(())
    }

    #[test]
    fn columns_make_a_table() -> Result<()> {
        let table = Table::from_columns([("a", ["1", " NA"]), ("b", ["x, y", "\"z"])])?;
        assert_eq!((table.rows(), table.column("a")?.missing()), (2, 1));
        assert_eq!(table.column("b")?.cells().flatten().collect::<Vec<_>>(), ["x, y", "\"z"]);
        for columns in [[("a", vec!["1"]), ("b", vec![])], [("a", vec!["1"]), ("a", vec!["1"])]] {
            assert!(Table::from_columns(columns).is_err());
        }
        assert!(Table::from_columns([("a", Vec::<&str>::new())]).is_err());
        Ok(())
    }

    #[test]
    fn every_delimiter_is_found() -> Result<()> {
        for text in ["a,b|c\n1,2\n", "a;b,c;d\n1;2;3\n", "a\tb\n1\t2\n", "a|b\n1|2\n", "\"a,b,c\";d\n1;2\n"] {
            assert_eq!(parse(text)?.rows(), 1, "{text}");
        }
        let named = Table::parse(b"last, first\tage, years\ty\nA, B\t1\t2\n", Path::new("t.TSV"))?;
        assert_eq!(named.column("last, first")?.cells().flatten().collect::<Vec<_>>(), ["A, B"]);
        assert_eq!(parse("a\n1\n2\n")?.rows(), 2);
        assert_eq!(parse(",b\n1,2\n")?.column("column_1")?.numbers()?, [1.0]);
        Ok(())
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(refused("").contains("is empty"));
        assert!(refused("a,b\n").contains("no rows"));
        assert!(refused("a,b\n1,2\n\n1\n").contains("row 2 has 1 cells, the first line names 2 columns"));
        assert!(refused("a,a\n1,2\n").contains("two columns `a`"));
        assert!(Table::parse(b"a\n1\n\xff\n", Path::new("t.csv")).unwrap_err().to_string().contains("line 3"));
        let words = parse("a\n1\nx\n").unwrap();
        let message = words.column("a").unwrap().numbers().unwrap_err().to_string();
        assert_eq!(message, "column `a`, row 2: expected a number, got `x`");
        assert!(words.column("b").unwrap_err().to_string().contains("it has a"));
        assert!(words.take(&[2]).is_err() && words.take(&[-1]).is_err() && words.take(&[]).is_err());
    }
}
