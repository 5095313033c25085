// SPDX-License-Identifier: MIT
//! Types that are nothing but their bytes, so that a guest may send them.
use std::{fmt, mem::MaybeUninit};

/// A type of which any bytes are a value, and which has no padding.
///
/// [`pod!`](crate::pod!) makes structs that are; by hand it takes `unsafe`.
///
/// # Safety
///
/// Every pattern of bits must be a value, no byte may be padding, and there may be no pointer in it
/// and nothing that changes through a shared reference.
pub unsafe trait Pod: Copy + Send + Sync + 'static {
    /// All bytes 0.
    fn zeroed() -> Self {
        // Safety: any bytes are a value.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }

    /// Its bytes.
    fn as_bytes(&self) -> &[u8] {
        // Safety: no byte is padding.
        unsafe {
            std::slice::from_raw_parts((self as *const Self).cast(), std::mem::size_of::<Self>())
        }
    }

    /// Its bytes, to be written.
    fn as_bytes_mut(&mut self) -> &mut [u8] {
        // Safety: no byte is padding, and any bytes are a value.
        unsafe {
            std::slice::from_raw_parts_mut((self as *mut Self).cast(), std::mem::size_of::<Self>())
        }
    }
}

macro_rules! numbers {
    ($($number:ty),*) => { $(
        // Safety: a number has neither padding nor forbidden values.
        unsafe impl Pod for $number {}
    )* };
}
numbers!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128);
// Safety: an array is its elements.
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {}

macro_rules! little_endian {
    ($($(#[$doc:meta])* $name:ident $number:ty;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[repr(transparent)]
        pub struct $name([u8; std::mem::size_of::<$number>()]);

        impl $name {
            /// From a number of this machine's.
            pub const fn new(value: $number) -> Self {
                Self(value.to_le_bytes())
            }

            /// As a number of this machine's.
            pub const fn get(self) -> $number {
                <$number>::from_le_bytes(self.0)
            }
        }

        // Safety: an array of bytes.
        unsafe impl Pod for $name {}

        impl From<$number> for $name {
            fn from(value: $number) -> Self {
                Self::new(value)
            }
        }

        impl From<$name> for $number {
            fn from(value: $name) -> Self {
                value.get()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.get().fmt(f)
            }
        }
    )* };
}
little_endian! {
    /// A `u16` as virtio has it: little-endian, at any address.
    Le16 u16;
    /// A `u32` as virtio has it: little-endian, at any address.
    Le32 u32;
    /// A `u64` as virtio has it: little-endian, at any address.
    Le64 u64;
}

/// Structs of a device's requests and configuration space: C's layout, and [`Pod`].
///
/// ```
/// use libvu::{Le16, Le32, Pod};
///
/// libvu::pod! {
///     /// Before each packet.
///     pub struct Header {
///         pub kind: Le16,
///         pub flags: Le16,
///         pub len: Le32,
///     }
/// }
/// let header = Header { len: 5.into(), ..Header::zeroed() };
/// assert_eq!(header.as_bytes(), [0, 0, 0, 0, 5, 0, 0, 0]);
/// ```
///
/// A struct with padding is an error, and so is a member that is not [`Pod`]:
///
/// ```compile_fail
/// libvu::pod! { struct Padded { a: u8, b: u32 } }
/// ```
///
/// ```compile_fail
/// libvu::pod! { struct Text { name: &'static str } }
/// ```
#[macro_export]
macro_rules! pod {
    ($($(#[$attribute:meta])* $visible:vis struct $name:ident {
        $($(#[$of_member:meta])* $member_visible:vis $member:ident: $type:ty),* $(,)?
    })*) => { $(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        #[repr(C)]
        $visible struct $name {
            $($(#[$of_member])* $member_visible $member: $type),*
        }

        // Safety: checked below.
        unsafe impl $crate::Pod for $name {}

        const _: () = {
            const fn pod<T: $crate::Pod>() -> usize {
                ::std::mem::size_of::<T>()
            }
            assert!(
                ::std::mem::size_of::<$name>() == 0 $(+ pod::<$type>())*,
                "a struct with padding"
            );
        };
    )* };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::pod! {
        struct All {
            a: Le16,
            b: [Le32; 2],
            c: u8,
            d: Le64,
        }
    }

    #[test]
    fn bytes_and_numbers_are_the_same_thing() {
        let mut all = All { a: 0x0102.into(), b: [3.into(), 4.into()], c: 5, d: u64::MAX.into() };
        let bytes = [2, 1, 3, 0, 0, 0, 4, 0, 0, 0, 5, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(all.as_bytes(), bytes);
        all.as_bytes_mut()[11] = 0;
        assert_eq!(u64::from(all.d), u64::MAX - 255);
        assert_eq!(All::zeroed().as_bytes(), [0; 19]);
        assert_eq!(format!("{all:?}"), "All { a: 258, b: [3, 4], c: 5, d: 18446744073709551360 }");
    }
}
