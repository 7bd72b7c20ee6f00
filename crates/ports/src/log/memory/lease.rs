//! The lease on the disk in memory. Read and written with the disk held, so that two logs on it never both succeed.

use stead_core::time::Time;

use super::disk::{Change, Image};
use super::{
    Claim, Error, LEASE, Lease, MemoryLog, number, push_field, seal, split_fields, unseal,
};

/// What the disk says.
pub(super) fn read(image: &Image) -> Result<Lease, Error> {
    let Some(bytes) = image.files.get(LEASE) else {
        return Ok(Lease::default());
    };
    let bytes = unseal(LEASE, bytes)?;
    let mut fields = split_fields(&bytes);
    let mut next = || fields.next().unwrap_or_default();
    Ok(Lease {
        epoch: number(next(), 0),
        beat: number(next(), 0),
        holder: String::from_utf8_lossy(next()).into_owned(),
    })
}

fn written(lease: &Lease) -> Change {
    let mut bytes = Vec::new();
    push_field(&mut bytes, &lease.epoch.to_le_bytes());
    push_field(&mut bytes, &lease.beat.to_le_bytes());
    push_field(&mut bytes, lease.holder.as_bytes());
    Change::file(LEASE, Some(seal(bytes)))
}

/// Refuses whoever leads with another epoch than the highest.
pub(super) fn fence(image: &Image, epoch: u64) -> Result<Lease, Error> {
    let lease = read(image)?;
    if lease.epoch == epoch {
        return Ok(lease);
    }
    Err(Error::Fenced {
        epoch,
        newer: lease.epoch,
    })
}

impl MemoryLog {
    pub(super) fn claim(
        &self,
        holder: &str,
        now: Time,
        lapsed: Option<&Lease>,
    ) -> Result<Claim, Error> {
        let mut state = self.alive()?;
        let mut claim = None;
        self.commit(&mut state, |image| {
            let present = read(image)?;
            if !present.may_be_taken(lapsed) {
                claim = Some(Claim::Held(present));
                return Ok(None);
            }
            let taken = present.taken(holder, now);
            claim = Some(Claim::Leads { epoch: taken.epoch });
            Ok(Some(written(&taken)))
        })?;
        let claim = claim.unwrap_or(Claim::Held(Lease::default()));
        if let Claim::Leads { epoch } = claim {
            state.epoch = epoch;
            // The one before may have died in the middle of a batch: from here on nobody but this log writes.
            let end = state.catch_up(&self.disk)?;
            self.disk.settle(end);
        }
        Ok(claim)
    }

    pub(super) fn change_lease(&self, change: impl FnOnce(&Lease) -> Lease) -> Result<(), Error> {
        let mut state = self.alive()?;
        let epoch = state.epoch;
        self.commit(&mut state, |image| {
            let lease = fence(image, epoch)?;
            if epoch == 0 {
                return Err(Error::Fenced { epoch, newer: 0 });
            }
            Ok(Some(written(&change(&lease))))
        })
    }
}
