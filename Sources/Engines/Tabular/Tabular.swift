// Tabular: classic models over columnar tables. It knows neither files nor networks.
//
//   TabularModel            what is trained, stored and served: raw columns in, one number per row out
//     +Fit                  labels, features, and the choice of learner
//     +Coding               JSON bytes, and the validation of bytes from outside
//   LearnerParameters       what a recipe may say about a learner, under LightGBM's names
//   ModelInput              one raw input: type, categories, range, training mean
//   Preprocessor            raw columns -> numbers and category codes, the same at training and serving time
//
//   BoostedTrees, Tree      a trained ensemble and its prediction
//   BoostingTrainer         the loop over trees: gradients, early stopping, progress
//     BinnedMatrix          columns as bytes: quantile bins and categories
//     TreeGrower            best-first growth of one tree on exact integer histograms
//     SplitFinder           the best split of one feature of one leaf
//   LinearModel             L2 logistic and ridge regression on standardised and one-hot columns
//     LinearTrainer         Newton steps
//     Cholesky              solves the normal equations
//
//   Metrics                 AUC, log loss, accuracy, RMSE, MAE
//
// The byte-level loops are in Native/CKernels/boosting.c.
