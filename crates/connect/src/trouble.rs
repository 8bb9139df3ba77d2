//! Why something did not work, and whether to try again: all that a driver needs to know of an adapter's errors.

use everstate_client::ClientError;
use std::time::Duration;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Trouble {
    /// For a person: what was wrong and where. Never holds a secret.
    pub reason: String,
    /// May the same succeed later?
    pub again: bool,
}

impl Trouble {
    /// It may succeed later.
    pub fn again(reason: impl Into<String>) -> Trouble {
        Trouble { reason: reason.into(), again: true }
    }

    /// It cannot: something must be mended first.
    pub fn lasting(reason: impl Into<String>) -> Trouble {
        Trouble { reason: reason.into(), again: false }
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Trouble {
        // What is no server of ours may be a proxy in front of one that is away.
        let again = error.is_retryable() || matches!(error, ClientError::Foreign { .. });
        Trouble { reason: error.to_string(), again }
    }
}

/// The first wait after a failure. A hiccup is over by then; half of it would only knock twice as often.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait: what a person notices as nothing happening after the other side is back.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// How long to wait after so many failures in a row, from 1.
pub(crate) fn backoff(failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    WAIT_MIN.saturating_mul(doubled).min(WAIT_MAX)
}

/// Does it until it works. Only what lasts ends it early; everything else is told and tried again.
pub(crate) async fn insist<T>(
    what: &str,
    tell: &crate::news::Teller,
    attempt: impl AsyncFn() -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut failures = 0;
    loop {
        let trouble = match attempt().await {
            Ok(value) => {
                tell.mended(failures, what);
                return Ok(value);
            }
            Err(trouble) if !trouble.again => return Err(trouble),
            Err(trouble) => trouble,
        };
        failures += 1;
        tell.trouble(failures, what, &trouble.reason);
        tokio::time::sleep(backoff(failures)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let millis: Vec<u128> = [1, 2, 3, 8, 40, u32::MAX].map(|n| backoff(n).as_millis()).into();
        assert_eq!(millis, [100, 200, 400, 10_000, 10_000, 10_000]);
    }
}
