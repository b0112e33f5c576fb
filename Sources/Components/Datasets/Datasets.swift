// Datasets: imported tables as immutable, numbered versions. Contents, in order:
//
//   EmbeddedDatasets             the seam: CSV files in a directory, their facts in `nestbox.db`
//   EmbeddedDatasets+Import      upload → parse → canonical file and profile → published version
//   CanonicalFile                the CSV on disk: written with its hash, read and checked against it
//   DatasetRows                  the two tables, datasets_datasets and datasets_versions, and their migrations
//   TableCache                   recently read tables
//
// A version is its folder `<directory>/<name>/<version>/data.csv` and its row; the row decides. A folder without a row is
// what a killed import left, and is removed at start. Nothing here changes a version once it is published.
