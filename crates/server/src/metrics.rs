//! What the server counts about itself, as Prometheus text: base units, bounded labels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets for durations, in seconds.
const BUCKETS_S: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// How long requests took and how they ended.
#[derive(Debug, Default)]
pub(crate) struct HttpMetrics {
    routes: Mutex<BTreeMap<Labels, Histogram>>,
}

/// Which requests: labels come from the route table and never from the caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labels {
    /// The route's pattern, or `none`.
    pub(crate) route: String,
    /// The method, one of those that the server knows.
    pub(crate) method: &'static str,
    /// `2xx` and so on.
    pub(crate) class: &'static str,
}

#[derive(Clone, Debug, Default)]
struct Histogram {
    buckets: [u64; BUCKETS_S.len()],
    count: u64,
    sum_s: f64,
}

impl HttpMetrics {
    /// Takes in one request.
    pub(crate) fn observe(&self, labels: Labels, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = routes.entry(labels).or_default();
        histogram.count += 1;
        histogram.sum_s += seconds;
        for (bucket, bound) in histogram.buckets.iter_mut().zip(BUCKETS_S) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// Writes everything down.
    pub(crate) fn render(&self, page: &mut Page) {
        const NAME: &str = "trainmaster_http_request_duration_seconds";
        page.head(
            NAME,
            "histogram",
            "Time from the request's head to the response's head.",
        );
        let routes = self
            .routes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for (labels, histogram) in &routes {
            let labels = [
                ("route", labels.route.as_str()),
                ("method", labels.method),
                ("class", labels.class),
            ];
            for (bucket, bound) in histogram.buckets.iter().zip(BUCKETS_S) {
                let bound = bound.to_string();
                page.sample_with(
                    &format!("{NAME}_bucket"),
                    &labels,
                    ("le", &bound),
                    *bucket as f64,
                );
            }
            page.sample_with(
                &format!("{NAME}_bucket"),
                &labels,
                ("le", "+Inf"),
                histogram.count as f64,
            );
            page.sample(&format!("{NAME}_sum"), &labels, histogram.sum_s);
            page.sample(&format!("{NAME}_count"), &labels, histogram.count as f64);
        }
    }
}

/// A page of metrics being written.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// Introduces a metric.
    pub(crate) fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One value.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, text)| quoted(label, text))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// One metric with one value and no labels.
    pub(crate) fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The page.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    fn sample_with(&mut self, name: &str, labels: &[(&str, &str)], more: (&str, &str), value: f64) {
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([more]).collect();
        self.sample(name, &labels, value);
    }
}

fn quoted(label: &str, text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{label}=\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_in_every_bucket_that_is_not_too_small() {
        let metrics = HttpMetrics::default();
        let labels = Labels {
            route: "/api/v1/releases".to_owned(),
            method: "GET",
            class: "2xx",
        };
        metrics.observe(labels, Duration::from_millis(30));
        let mut page = Page::default();
        metrics.render(&mut page);
        let text = page.into_text();
        let line = |le: &str| {
            format!(r#"_bucket{{route="/api/v1/releases",method="GET",class="2xx",le="{le}"}}"#)
        };
        assert!(text.contains(&format!("{} 0\n", line("0.025"))), "{text}");
        assert!(text.contains(&format!("{} 1\n", line("0.05"))), "{text}");
        assert!(text.contains(&format!("{} 1\n", line("+Inf"))), "{text}");
    }
}
