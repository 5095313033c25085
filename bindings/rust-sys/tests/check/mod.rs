// SPDX-License-Identifier: MIT
//! A row of tests/layout.rs as a test: name, size, and offset of each member.

/// `layout! { name = SIZE64 SIZE32, member OFFSET64 OFFSET32, ... }`
macro_rules! layout {
    ($name:ident = $wide:literal $narrow:literal $(, $member:ident $w:literal $n:literal)*) => {
        #[test]
        fn $name() {
            let pick = |wide: usize, narrow: usize| match usize::BITS {
                64 => wide,
                _ => narrow,
            };
            type Checked = libvu_sys::$name;
            let at = std::mem::MaybeUninit::<Checked>::uninit();
            let start = at.as_ptr();
            assert_eq!(std::mem::size_of::<Checked>(), pick($wide, $narrow));
            $(
                let member = unsafe { std::ptr::addr_of!((*start).$member) };
                assert_eq!(
                    member as usize - start as usize,
                    pick($w, $n),
                    concat!(stringify!($name), ".", stringify!($member))
                );
            )*
        }
    };
}
