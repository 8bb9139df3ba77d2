//! Events that nobody could take: seeing them, trying them again, throwing them away.

use crate::convert;
use crate::events::decided;
use crate::failure::Failure;
use crate::service::Service;
use everstate_api::v1;
use everstate_api::v1::__buffa::view::{
    DiscardDeadLetterRequestView, ListDeadLettersRequestView, RetryDeadLetterRequestView,
};
use everstate_kernel::Serial;

pub(crate) async fn list(
    service: &Service,
    request: &ListDeadLettersRequestView<'_>,
) -> Result<v1::ListDeadLettersResponse, Failure> {
    let limit = convert::limit(request.page_size, 100, 1_000, "page_size")?;
    let after = convert::page_number(request.page_token)?;
    let mut letters = service.read(move |reader| reader.dead_letters(after, limit + 1)).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| more).map(|letter| letter.number.0.to_string());
    Ok(v1::ListDeadLettersResponse {
        dead_letters: letters.iter().map(convert::dead_letter).collect(),
        next_page_token: next.unwrap_or_default(),
        ..Default::default()
    })
}

pub(crate) async fn retry(
    service: &Service,
    request: &RetryDeadLetterRequestView<'_>,
) -> Result<v1::RetryDeadLetterResponse, Failure> {
    let decision = service.node.retry_dead_letter(Serial(request.number)).await?;
    Ok(v1::RetryDeadLetterResponse { outcome: Some(decided(&decision)).into(), ..Default::default() })
}

pub(crate) async fn discard(
    service: &Service,
    request: &DiscardDeadLetterRequestView<'_>,
) -> Result<v1::DiscardDeadLetterResponse, Failure> {
    service.node.discard_dead_letter(Serial(request.number)).await?;
    Ok(v1::DiscardDeadLetterResponse::default())
}
