// Tables: typed columns, and the text formats they are read from and written to. Contents, in order:
//
//   Column, Cell          int64, float64, bool, string by dictionary, timestamp; nulls as a bit per row
//   Table, Schema         columns of one length with their names and types
//   Table+Rows            concatenate, sort, slice, look at single rows
//   Cell+JSON             a cell as a JSON value and back, checked against a column type
//   TableBuilder          row by row appending against a schema
//   CSVReader, CSVParser  CSV from a file, from bytes, or chunk by chunk; types inferred over the whole column
//   JSONLReader, JSONLParser  one flat JSON object per line
//   TableLimits           how much memory a file may take up before it is refused
//   ExpandedInput         gzip, bzip2, xz, zstd and one-file zip, expanded as a stream with a limit
//   CSVWriter, JSONLWriter    the canonical text of a table, in chunks
//
// Inside: `CellText` reads numbers from bytes, `StringInterner` makes dictionaries, `ColumnBuilder` grows and widens a
// column. Readers give a whole table or throw a `NestboxError` that names line and column; they never repair or pad.
// They refuse: text in another encoding than UTF-8, CSV without a header, nested JSON.
