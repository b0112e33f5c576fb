// Training: from a recipe to a registered model version, as a job. Contents, in order:
//
//   TrainingRecipe+Reading    a recipe from text: unknown keys refused with the nearest name
//   TrainingRecipe+Checks     everything that can be wrong with a recipe, found before any work
//   RowSplit                  which rows train, validate and test: by time or by seed
//   TrainingSeams             the four stores that training talks to, and the clock
//   TrainingData              the recipe's columns, cleaned and split
//   Trainer                   one training run: fit, log, evaluate, upload, require, register
//     +Study                  seeded random search: one parent run, a child run per trial
//     +Registration           the gate of `require`, the model version, and what a retry finds done already
//     +Environment            what the run is made with, stored when it begins
//   RunLogger                 progress of a fit as metric points, in batches
//   ModelUpload               the model folder: model, baseline, recipe, MLflow's descriptor
//   AbandonedRuns             ends the runs that a killed attempt left open
//   TrainingHandlers          job kind -> handler, for the worker
//
// It sees only the seams in Contracts, so it runs the same inside the server and in a worker across the network.
