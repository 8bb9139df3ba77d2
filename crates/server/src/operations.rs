//! What an operator asks of the whole server: how it is, and everything that it keeps.

use crate::convert;
use crate::failure::Failure;
use crate::service::Service;
use connectrpc::ConnectError;
use everstate_api::v1;
use everstate_api::v1::__buffa::view::GetStatusRequestView;
use futures::Stream;
use std::sync::atomic::Ordering;

pub(crate) async fn status(
    service: &Service,
    _request: &GetStatusRequestView<'_>,
) -> Result<v1::GetStatusResponse, Failure> {
    let summary = service.read(|reader| reader.summary()).await?;
    let node = &service.node;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(v1::GetStatusResponse {
        version: env!("CARGO_PKG_VERSION").into(),
        started_time: Some(convert::time_out(service.started)).into(),
        engine: summary.engine.into(),
        data_folder: service.data.display().to_string(),
        bytes_on_disk: summary.bytes_on_disk,
        instances: summary.instances,
        turns: summary.last_position,
        dead_letters: summary.dead_letters,
        definitions: count(node.definitions().all().len()),
        followers: count(node.followers()),
        queued: count(node.queue_len()),
        timers_late: u32::try_from(node.metrics().timers_late.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
        ..Default::default()
    })
}

/// The stream of an answer to `Export`.
pub(crate) fn export(
    service: &Service,
) -> impl Stream<Item = Result<v1::ExportResponse, ConnectError>> + Send + use<> {
    let chunks = crate::export::chunks(service.exported.clone());
    futures::stream::unfold(chunks, |mut chunks| async move {
        let chunk = chunks.recv().await?;
        let message = match chunk {
            Ok(lines) => Ok(v1::ExportResponse { lines, ..Default::default() }),
            Err(failure) => Err(ConnectError::from(failure)),
        };
        Some((message, chunks))
    })
}
