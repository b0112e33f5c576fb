// Serving: deployments that answer predictions in process, and the log of what they answered. Contents, in order:
//
//   EmbeddedModelServer   the seams ModelServer and PredictionLog: deploy, predict, statistics
//   ServedModel           one loaded model version: decoded, warmed, immutable
//   RowReader             JSON rows -> cells in the order of the model's inputs; errors name row and column
//   FeatureLookup         inputs that a request leaves out, from the online store
//   PredictionLogWriter   bounded buffer and background writer; never in an answer's way; retention
//   PredictionLogTable    reading the log back, as rows and as columns
//   DeploymentTable       the rows behind the deployments
//   ServingRecorder       counts and latencies per deployment
//
// A deployment is a name and a reference to a ServedModel. Deploying loads and warms the new model first, commits the
// row, then swaps the reference: a request that is under way finishes on the model it began with.
