//! Tasks and their reports as bytes, for workers in other processes. In: one. Out: the other.

use std::time::Duration;

use bytes::Bytes;
use datafusion::common::Result;
use prost::Message;

use crate::codec::unreadable;
use crate::stage::{Determinism, Output};
use crate::task::{Report, TaskPlan};

#[derive(Clone, PartialEq, Message)]
struct TaskBytes {
    #[prost(bytes = "bytes", tag = "1")]
    plan: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    settings: Bytes,
    /// Of rows that go by hash.
    #[prost(uint64, optional, tag = "3")]
    readers: Option<u64>,
    #[prost(bool, tag = "4")]
    keys: bool,
    #[prost(bool, tag = "5")]
    determinate: bool,
    #[prost(uint64, tag = "6")]
    threads: u64,
}

#[derive(Clone, PartialEq, Message)]
struct ReportBytes {
    #[prost(uint64, tag = "1")]
    rows_in: u64,
    #[prost(uint64, tag = "2")]
    bytes_in: u64,
    #[prost(uint64, tag = "3")]
    rows: u64,
    #[prost(uint64, tag = "4")]
    bytes: u64,
    #[prost(uint64, repeated, tag = "5")]
    buffer_bytes: Vec<u64>,
    #[prost(uint64, tag = "6")]
    spilled: u64,
    #[prost(uint64, tag = "7")]
    memory: u64,
    #[prost(uint64, tag = "8")]
    elapsed_ns: u64,
}

impl TaskPlan {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let readers = match self.output {
            Output::Hash { readers } => Some(readers as u64),
            Output::Whole => None,
        };
        let task = TaskBytes {
            plan: self.plan.clone(),
            settings: self.settings.clone(),
            readers,
            keys: self.keys,
            determinate: self.determinism == Determinism::Determinate,
            threads: self.threads as u64,
        };
        task.encode_to_vec()
    }

    /// From bytes.
    ///
    /// # Errors
    /// Bytes that no version of ours wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let task = TaskBytes::decode(bytes).map_err(unreadable)?;
        let output =
            task.readers.map_or(Output::Whole, |readers| Output::Hash { readers: size(readers) });
        let determinism = match task.determinate {
            true => Determinism::Determinate,
            false => Determinism::Indeterminate,
        };
        let TaskBytes { plan, settings, keys, threads, .. } = task;
        Ok(Self {
            plan,
            settings,
            output,
            keys,
            determinism,
            threads: size(threads),
            // For who hands tasks out, not for who runs them.
            cpus_max: 0,
            is_last: false,
        })
    }
}

impl Report {
    /// As bytes, without how long the task waited: its worker does not know.
    pub fn encode(&self) -> Vec<u8> {
        let report = ReportBytes {
            rows_in: self.rows_in as u64,
            bytes_in: self.bytes_in as u64,
            rows: self.rows as u64,
            bytes: self.bytes as u64,
            buffer_bytes: self.buffer_bytes.iter().map(|bytes| *bytes as u64).collect(),
            spilled: self.spilled,
            memory: self.memory as u64,
            elapsed_ns: u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX),
        };
        report.encode_to_vec()
    }

    /// From bytes.
    ///
    /// # Errors
    /// Bytes that no version of ours wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let report = ReportBytes::decode(bytes).map_err(unreadable)?;
        Ok(Self {
            rows_in: size(report.rows_in),
            bytes_in: size(report.bytes_in),
            rows: size(report.rows),
            bytes: size(report.bytes),
            buffer_bytes: report.buffer_bytes.into_iter().map(size).collect(),
            spilled: report.spilled,
            memory: size(report.memory),
            elapsed: Duration::from_nanos(report.elapsed_ns),
            ..Self::default()
        })
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_the_same_after_travelling() {
        for output in [Output::Whole, Output::Hash { readers: 7 }] {
            let task = TaskPlan {
                plan: Bytes::from_static(b"a plan"),
                settings: Bytes::from_static(b"settings"),
                output,
                keys: true,
                determinism: Determinism::Indeterminate,
                threads: 4,
                cpus_max: 0,
                is_last: false,
            };
            let read = TaskPlan::decode(&task.encode()).expect("ours");
            assert_eq!(format!("{read:?}"), format!("{task:?}"));
        }
    }

    #[test]
    fn a_report_is_the_same_after_travelling() {
        let report = Report {
            rows_in: 1,
            bytes_in: 2,
            rows: 3,
            bytes: 4,
            buffer_bytes: vec![0, 5, 6],
            spilled: 7,
            memory: 8,
            elapsed: Duration::from_micros(9),
            ..Report::default()
        };
        let read = Report::decode(&report.encode()).expect("ours");
        assert_eq!(format!("{read:?}"), format!("{report:?}"));
    }
}
