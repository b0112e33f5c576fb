// Statistics: what a column looks like, and whether a later sample still looks the same.
//
//   ColumnProfile     counts, moments, quantiles, histogram and most frequent values of one column
//   Drift             population stability index; two-sample Kolmogorov-Smirnov test
//   Baseline          what is kept of a training table, a FeatureBaseline per column, to measure drift against later
//   FeatureDrift      the measure of one feature
