// Monitoring: has what a deployment is asked moved away from what it was trained on? Contents, in order:
//
//   EmbeddedMonitor      the seam Monitor: compares logged rows with the training baseline, opens and closes alerts
//   MonitoringSettings   thresholds, window, retention
//   MonitoringTable      reports (as JSON) and alerts in `nestbox.db`
//   MonitoringSchedule   checks every deployment with new rows, every so many seconds
//
// PSI (population stability index) decides about alerts: an effect size with conventional thresholds. The
// Kolmogorov–Smirnov p-value is reported only, because with thousands of rows it calls any difference significant.
