//! Making a namespace unable to be opened again, when its last dump is made.

use async_trait::async_trait;

use crate::engine::EngineError;
use crate::id::ObjectId;

/// One namespace of one engine, which can be retired: after that the engine does not open it any more.
#[async_trait]
pub trait RetireTarget: Send + Sync {
    /// Locks the namespace: until the answer is dropped nobody else opens it for writing. Changes nothing in it.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::Refused`](crate::ErrorClass::Refused) when somebody else has the namespace open for writing,
    /// [`ErrorClass::Failed`](crate::ErrorClass::Failed) when it is missing or cannot be locked.
    async fn lock(&self) -> Result<Box<dyn Retirement>, EngineError>;
}

/// A namespace that is locked, and can be retired. Dropping it unlocks the namespace.
#[async_trait]
pub trait Retirement: Send + Sync {
    /// Returns the dump that the namespace was retired for when it was locked; `None` if it was not.
    fn retired_for(&self) -> Option<ObjectId>;

    /// Makes the engine refuse to open the namespace, for the last dump of it. When this returns, that is durable. The
    /// namespace holds what it held, and can still be read as the source of a dump. One that was retired for another dump is
    /// retired for this one instead, and at no moment it can be opened.
    ///
    /// # Errors
    ///
    /// As the engine reports them. The namespace may be retired then.
    async fn retire(&self, dump: ObjectId) -> Result<(), EngineError>;
}
