//! Any bytes as a CSV file, and what its columns are.
#![no_main]

use uncrumple::data::Table;

// A column of a comma in the first line and one in the second has a name, a map and a list of its own.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    uncrumple_fuzz::read(bytes.len(), 256, |path| {
        let table = Table::parse(bytes, path)?;
        for column in table.columns() {
            assert_eq!(column.cells().len(), table.rows());
            let present: usize = column.counts().iter().map(|(_, count)| count).sum();
            assert_eq!(present + column.missing(), table.rows());
            let numbers = column.numbers().is_ok();
            assert_eq!(numbers, column.kind() != uncrumple::data::ColumnKind::Category);
        }
        Ok(())
    });
});
