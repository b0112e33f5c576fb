// Tuning: what hyperparameter search proposes. It trains nothing; a study runs the trials.
//
//   ParameterRange   one parameter: float or int from low to high (linear or logarithmic), or a list of choices
//   SearchSpace      named ranges; seeded random samples and grids
