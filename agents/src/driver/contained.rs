//! A panic of one launch is its own error: others that run in the same process, as in a sweep, go on.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use portwright_core::text::{cut, line};

use super::DriverError;

/// How much of a panic's words is told: they can quote what a job said.
const LONGEST: usize = 500;

/// Does the work, whose panic is a [`DriverError::Panic`]. What it leaves half done is in the ledger as a step that has not
/// ended, like that of a process that was killed.
pub async fn contained<T>(
    work: impl Future<Output = Result<T, DriverError>>,
) -> Result<T, DriverError> {
    let mut work = pin!(work);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)))
            .unwrap_or_else(|panic| Poll::Ready(Err(DriverError::Panic(told(&*panic)))))
    })
    .await
}

fn told(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    cut(&line(words.unwrap_or("without a word")), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Blame;

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_own_launch() {
        let said = "\u{1b}[31m\n";
        let error = contained::<()>(async move { panic!("{said}deep") })
            .await
            .unwrap_err();
        assert_eq!(error.blame(), Blame::Internal);
        assert!(error.to_string().ends_with(r"\u{1b}[31m deep"), "{error}");
        assert!(contained(async { Ok(5) }).await.is_ok_and(|it| it == 5));
    }
}
