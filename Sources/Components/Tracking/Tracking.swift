// Tracking: experiments, runs, params, tags and inputs in `nestbox.db`; metric points in `telemetry.db`. In order:
//
//   EmbeddedTracking              the seam on SQLite; which file holds what; completing batches after a crash
//   EmbeddedTracking+Experiments  create, find, list, rename, delete, restore, tag
//   EmbeddedTracking+Runs         create, load in bulk, update, delete, restore, inputs
//   EmbeddedTracking+Logging      one batch of metrics, params and tags: all or nothing
//   EmbeddedTracking+Search       runs in a requested order, page by page; the history of a metric
//   EmbeddedTracking+Models       logged models: create, finalize, tag, delete; which runs use and make them
//   EmbeddedTracking+ModelSearch  logged models by filter, datasets and order, page by page
//   LoggedModelRows, …Vocabulary  their rows; what the shared filter language can say of them
//   EmbeddedTracking+Samples      a long series thinned out; the datasets of experiments
//   PointLog                      points acknowledged and not yet in telemetry.db
//   MetricTable                   series and points in telemetry.db, NaN and infinities included
//   RunQuery                      a search for runs as SQL over both files
//   PageToken                     where the next page of a metric's history begins
//   ActiveRuns                    which runs may be logged to, without a read for each metric
//   TrackingRules                 MLflow's limits and key rules, as sentences
//   RecordedTracking              somebody else's tracking, with the events of what changes through this Nestbox
//   RunNames                      `brisk-heron-412`
//   TrackingMigrations            the tables of both files; LoggedModelMigrations, those of logged models
//
// It refuses to know artifacts, registered models and HTTP. A deleted run keeps its rows: deletion is a mark that can be undone.
