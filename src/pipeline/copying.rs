//! Further repositories: before any tag moves, each has the very image that its component has in its own repository.

use super::tagging::{self, Move};
use super::{Run, publishing};
use crate::failure::Failure;
use crate::store::Store;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

/// How many images are copied at once; the requests of all of them have their limit in the registry's governor.
const AT_ONCE: usize = 8;

/// Looks where the tags of the further repositories point.
pub(super) async fn look_further<'a>(store: &Store, own: &[Move<'a>]) -> Result<Vec<Move<'a>>, Failure> {
    let further = own.iter().flat_map(|own| own.planned.further.iter().map(move |further| (own, further)));
    let look = async |(own, further): (&Move<'a>, _)| {
        let before = tagging::look(store, further, own.planned).await?;
        Ok::<_, Failure>(Move { published: own.published.at(further), is_new: false, before, ..*own })
    };
    stream::iter(further).map(look).buffered(publishing::AT_ONCE).try_collect().await
}

/// Brings the images into the further repositories. Where a tag of this component points at its image already, that is
/// whole: tags move last. Returns whether any had to be looked after.
pub(super) async fn copy_all(run: &Run, store: &Store, moves: &mut [Move<'_>]) -> Result<bool, Failure> {
    let missing: Vec<_> = moves.iter_mut().filter(|moved| moved.is_further() && !moved.is_tagged()).collect();
    let is_any = !missing.is_empty();
    let copy = async |moved: &mut Move<'_>| {
        let (component, further) = (&moved.planned.component.name, &moved.published.image.repository);
        let own = moved.published.at(&moved.planned.image);
        moved.is_new = store.copy(&run.events, component, &own, further).await?;
        // What a registry hid before, it says now that the repository is there and has something of ours.
        for (tag, before) in moved.before.iter_mut().filter(|(_, before)| before.is_none()) {
            *before = store.find(further, tag).await?;
        }
        Ok::<_, Failure>(())
    };
    stream::iter(missing).map(copy).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(is_any)
}
