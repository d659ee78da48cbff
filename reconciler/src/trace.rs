//! The span of a write to a Deployment, for OpenTelemetry. Its level is debug, so that the log at its usual level stays
//! as it is.

use tracing::{Span, debug_span, field::Empty};
use voxsync_crds::annotations::{AppliedRecords, applied_records};

use crate::pass::{Context, ServerKey};

/// A write of the pod template, with the promotion that it is for: that of the agent's record on the Server, or else on
/// its Config.
pub(crate) fn write(context: &Context, key: &ServerKey, code: &str) -> Span {
    let ServerKey { namespace, name } = key;
    let span = debug_span!("roll out", namespace, server = name, code, promotion = Empty);
    if span.is_disabled() {
        return span;
    }
    let promotion = context.cluster.read(|snapshot| {
        let server = snapshot.server(namespace, name)?;
        let config = server.spec.config_ref.as_deref().and_then(|config| snapshot.config(namespace, config));
        let annotations = [Some(&server.metadata), config.map(|config| &config.metadata)];
        let records = annotations.into_iter().flatten().map(|it| applied_records(it.annotations.as_ref()));
        records.flat_map(AppliedRecords::into_values).next().map(|record| record.promotion)
    });
    span.record("promotion", promotion);
    span
}
