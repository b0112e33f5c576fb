// web/ as data, by C23's #embed. A new file there needs its two entries here; the test `everyWebFileIsCompiledIn` tells.
#include "CWeb.h"

#include <string.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char f_assets_mark_svg[] = {
#embed "../../../web/assets/mark.svg"
};
static const unsigned char f_assets_nestbox_css[] = {
#embed "../../../web/assets/nestbox.css"
};
static const unsigned char f_assets_nestbox_js[] = {
#embed "../../../web/assets/nestbox.js"
};
static const unsigned char f_layout_mustache[] = {
#embed "../../../web/layout.mustache"
};
static const unsigned char f_pages_compare_mustache[] = {
#embed "../../../web/pages/compare.mustache"
};
static const unsigned char f_pages_dataset_mustache[] = {
#embed "../../../web/pages/dataset.mustache"
};
static const unsigned char f_pages_datasets_mustache[] = {
#embed "../../../web/pages/datasets.mustache"
};
static const unsigned char f_pages_deployment_mustache[] = {
#embed "../../../web/pages/deployment.mustache"
};
static const unsigned char f_pages_deployments_mustache[] = {
#embed "../../../web/pages/deployments.mustache"
};
static const unsigned char f_pages_drift_mustache[] = {
#embed "../../../web/pages/drift.mustache"
};
static const unsigned char f_pages_error_mustache[] = {
#embed "../../../web/pages/error.mustache"
};
static const unsigned char f_pages_experiment_mustache[] = {
#embed "../../../web/pages/experiment.mustache"
};
static const unsigned char f_pages_experiments_mustache[] = {
#embed "../../../web/pages/experiments.mustache"
};
static const unsigned char f_pages_feature_view_mustache[] = {
#embed "../../../web/pages/feature-view.mustache"
};
static const unsigned char f_pages_features_mustache[] = {
#embed "../../../web/pages/features.mustache"
};
static const unsigned char f_pages_files_mustache[] = {
#embed "../../../web/pages/files.mustache"
};
static const unsigned char f_pages_job_mustache[] = {
#embed "../../../web/pages/job.mustache"
};
static const unsigned char f_pages_jobs_mustache[] = {
#embed "../../../web/pages/jobs.mustache"
};
static const unsigned char f_pages_lineage_mustache[] = {
#embed "../../../web/pages/lineage.mustache"
};
static const unsigned char f_pages_logged_model_mustache[] = {
#embed "../../../web/pages/logged-model.mustache"
};
static const unsigned char f_pages_logged_models_mustache[] = {
#embed "../../../web/pages/logged-models.mustache"
};
static const unsigned char f_pages_model_version_mustache[] = {
#embed "../../../web/pages/model-version.mustache"
};
static const unsigned char f_pages_model_mustache[] = {
#embed "../../../web/pages/model.mustache"
};
static const unsigned char f_pages_models_mustache[] = {
#embed "../../../web/pages/models.mustache"
};
static const unsigned char f_pages_monitoring_mustache[] = {
#embed "../../../web/pages/monitoring.mustache"
};
static const unsigned char f_pages_overview_mustache[] = {
#embed "../../../web/pages/overview.mustache"
};
static const unsigned char f_pages_run_diff_mustache[] = {
#embed "../../../web/pages/run-diff.mustache"
};
static const unsigned char f_pages_run_mustache[] = {
#embed "../../../web/pages/run.mustache"
};
static const unsigned char f_pages_storage_mustache[] = {
#embed "../../../web/pages/storage.mustache"
};
static const unsigned char f_pages_trace_mustache[] = {
#embed "../../../web/pages/trace.mustache"
};
static const unsigned char f_pages_traces_mustache[] = {
#embed "../../../web/pages/traces.mustache"
};
static const unsigned char f_pages_webhook_mustache[] = {
#embed "../../../web/pages/webhook.mustache"
};
static const unsigned char f_pages_webhooks_mustache[] = {
#embed "../../../web/pages/webhooks.mustache"
};
static const unsigned char f_parts_alerts_mustache[] = {
#embed "../../../web/parts/alerts.mustache"
};
static const unsigned char f_parts_badge_mustache[] = {
#embed "../../../web/parts/badge.mustache"
};
static const unsigned char f_parts_curve_controls_mustache[] = {
#embed "../../../web/parts/curve-controls.mustache"
};
static const unsigned char f_parts_empty_mustache[] = {
#embed "../../../web/parts/empty.mustache"
};
static const unsigned char f_parts_facts_mustache[] = {
#embed "../../../web/parts/facts.mustache"
};
static const unsigned char f_parts_file_tree_mustache[] = {
#embed "../../../web/parts/file-tree.mustache"
};
static const unsigned char f_parts_mark_mustache[] = {
#embed "../../../web/parts/mark.mustache"
};
static const unsigned char f_parts_stats_mustache[] = {
#embed "../../../web/parts/stats.mustache"
};
static const unsigned char f_parts_time_mustache[] = {
#embed "../../../web/parts/time.mustache"
};
static const unsigned char f_parts_traffic_mustache[] = {
#embed "../../../web/parts/traffic.mustache"
};

#define FILE_ENTRY(path, name) {path, name, (ptrdiff_t)sizeof name}

// In the order of strcmp, because lookup is a binary search.
static const struct nestbox_web_file files[] = {
    FILE_ENTRY("assets/mark.svg", f_assets_mark_svg),
    FILE_ENTRY("assets/nestbox.css", f_assets_nestbox_css),
    FILE_ENTRY("assets/nestbox.js", f_assets_nestbox_js),
    FILE_ENTRY("layout.mustache", f_layout_mustache),
    FILE_ENTRY("pages/compare.mustache", f_pages_compare_mustache),
    FILE_ENTRY("pages/dataset.mustache", f_pages_dataset_mustache),
    FILE_ENTRY("pages/datasets.mustache", f_pages_datasets_mustache),
    FILE_ENTRY("pages/deployment.mustache", f_pages_deployment_mustache),
    FILE_ENTRY("pages/deployments.mustache", f_pages_deployments_mustache),
    FILE_ENTRY("pages/drift.mustache", f_pages_drift_mustache),
    FILE_ENTRY("pages/error.mustache", f_pages_error_mustache),
    FILE_ENTRY("pages/experiment.mustache", f_pages_experiment_mustache),
    FILE_ENTRY("pages/experiments.mustache", f_pages_experiments_mustache),
    FILE_ENTRY("pages/feature-view.mustache", f_pages_feature_view_mustache),
    FILE_ENTRY("pages/features.mustache", f_pages_features_mustache),
    FILE_ENTRY("pages/files.mustache", f_pages_files_mustache),
    FILE_ENTRY("pages/job.mustache", f_pages_job_mustache),
    FILE_ENTRY("pages/jobs.mustache", f_pages_jobs_mustache),
    FILE_ENTRY("pages/lineage.mustache", f_pages_lineage_mustache),
    FILE_ENTRY("pages/logged-model.mustache", f_pages_logged_model_mustache),
    FILE_ENTRY("pages/logged-models.mustache", f_pages_logged_models_mustache),
    FILE_ENTRY("pages/model-version.mustache", f_pages_model_version_mustache),
    FILE_ENTRY("pages/model.mustache", f_pages_model_mustache),
    FILE_ENTRY("pages/models.mustache", f_pages_models_mustache),
    FILE_ENTRY("pages/monitoring.mustache", f_pages_monitoring_mustache),
    FILE_ENTRY("pages/overview.mustache", f_pages_overview_mustache),
    FILE_ENTRY("pages/run-diff.mustache", f_pages_run_diff_mustache),
    FILE_ENTRY("pages/run.mustache", f_pages_run_mustache),
    FILE_ENTRY("pages/storage.mustache", f_pages_storage_mustache),
    FILE_ENTRY("pages/trace.mustache", f_pages_trace_mustache),
    FILE_ENTRY("pages/traces.mustache", f_pages_traces_mustache),
    FILE_ENTRY("pages/webhook.mustache", f_pages_webhook_mustache),
    FILE_ENTRY("pages/webhooks.mustache", f_pages_webhooks_mustache),
    FILE_ENTRY("parts/alerts.mustache", f_parts_alerts_mustache),
    FILE_ENTRY("parts/badge.mustache", f_parts_badge_mustache),
    FILE_ENTRY("parts/curve-controls.mustache", f_parts_curve_controls_mustache),
    FILE_ENTRY("parts/empty.mustache", f_parts_empty_mustache),
    FILE_ENTRY("parts/facts.mustache", f_parts_facts_mustache),
    FILE_ENTRY("parts/file-tree.mustache", f_parts_file_tree_mustache),
    FILE_ENTRY("parts/mark.mustache", f_parts_mark_mustache),
    FILE_ENTRY("parts/stats.mustache", f_parts_stats_mustache),
    FILE_ENTRY("parts/time.mustache", f_parts_time_mustache),
    FILE_ENTRY("parts/traffic.mustache", f_parts_traffic_mustache),
};

ptrdiff_t nestbox_web_file_count(void) { return (ptrdiff_t)(sizeof files / sizeof files[0]); }

const struct nestbox_web_file *nestbox_web_file_at(ptrdiff_t index) {
    return index >= 0 && index < nestbox_web_file_count() ? &files[index] : NULL;
}

const struct nestbox_web_file *nestbox_web_file_named(const char *path) {
    ptrdiff_t low = 0, high = nestbox_web_file_count();
    while (low < high) {
        ptrdiff_t middle = low + (high - low) / 2;
        int order = strcmp(path, files[middle].path);
        if (order == 0) return &files[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}
