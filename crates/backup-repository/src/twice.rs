//! Reading the same bytes once more before they are called damaged: on their way to this program they can be altered too.

use backup_format::ErrorClass;

use crate::error::RepositoryError;
use crate::store::Store;

/// Reads bytes of a file and judges them. When they are not as they should be, they are read once more, by a request of
/// its own.
///
/// # Errors
///
/// That of the judgement if both readings gave the same bytes, and [`RepositoryError::Transit`] if they differ and neither is right.
pub(crate) async fn read_twice<B, T, R, J>(
    store: &Store,
    path: &str,
    read: impl Fn() -> R,
    judge: impl Fn(B) -> J,
) -> Result<T, RepositoryError>
where
    B: Clone + PartialEq,
    R: Future<Output = Result<B, RepositoryError>>,
    J: Future<Output = Result<T, RepositoryError>>,
{
    let first = read().await?;
    let error = match judge(first.clone()).await {
        Err(error) if may_be_the_way(&error) => error,
        result => return result,
    };
    let second = read().await?;
    if first == second {
        return Err(error);
    }
    let result = judge(second).await;
    second_result(store, path, result)
}

/// Returns true if what is wrong with bytes may have happened on their way.
fn may_be_the_way(error: &RepositoryError) -> bool {
    error.class() == ErrorClass::Damaged || matches!(error, RepositoryError::Untrusted { .. })
}

/// Tells of a second reading that was good, and calls one that was not what it is: altered on its way.
pub(crate) fn second_result<T>(
    store: &Store,
    path: &str,
    result: Result<T, RepositoryError>,
) -> Result<T, RepositoryError> {
    match result {
        Err(error) if may_be_the_way(&error) => {
            Err(RepositoryError::Transit { path: path.to_owned(), source: Box::new(error) })
        }
        Err(error) => Err(error),
        Ok(value) => {
            store.progress().read_again(path);
            Ok(value)
        }
    }
}
