// Features: entities and feature views over dataset versions, for training (offline) and for prediction (online).
// Contents, in order:
//
//   FeatureDefinitions+YAML   features.yaml or JSON as definitions; errors name the line and the key
//   DefinitionCheck           definitions against each other and against the datasets' schemas
//   EmbeddedFeatures          the seam: definitions in SQLite, joins over DatasetStore, the online store
//   TrainingSetJoin           which columns a training set needs, and the joined table
//   PointInTimeIndex          for a key and a time, the newest row known then
//   KeyDictionary             key columns of any type as small numbers; 12 and "12" are one key
//   Column+Matches            a column's cells by matched row, null where nothing matched
//   EmbeddedFeatures+Online   materialize and look up
//   OnlineView                the newest row of every entity, in memory
//   FeatureRows               the tables features_* and their migrations
//
// A row counts from its event time on: the join never looks past the spine row's own event time. Views without an event
// time hold facts that do not change, and the last row of a key wins.
