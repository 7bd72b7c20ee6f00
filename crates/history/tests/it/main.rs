//! The store on real and on breaking disks.

mod answers;
mod bounds;
mod breaks;
mod full_disk;
mod kill;
mod places;
