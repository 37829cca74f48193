//! A Vulkan layer that makes the n-th call of one function fail.
//!
//! The loader finds it by `VK_LAYER_PATH` and `VK_INSTANCE_LAYERS=VK_LAYER_HANDMILL_fault`. When a device is
//! made, the layer reads the file that `HANDMILL_FAULT` names, `<function> <n> <result>`: the n-th call of
//! the device function returns `result` (a negative VkResult) without reaching the driver, and the file's
//! content becomes `hit`. Calls of later devices count from one again.
//!
//! Structures and the handshake: Khronos, "Architecture of the Vulkan Loader Interfaces", layers.

#![cfg(target_pointer_width = "64")]

use std::ffi::{CStr, c_char, c_void};
use std::fs;
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

type Function = Option<unsafe extern "system" fn()>;
type GetProcAddr = unsafe extern "system" fn(*mut c_void, *const c_char) -> Function;
type CreateInstance = unsafe extern "system" fn(*const Chain, *const c_void, *mut *mut c_void) -> i32;
type CreateDevice = unsafe extern "system" fn(*mut c_void, *const Chain, *const c_void, *mut *mut c_void) -> i32;
/// Every function that can be chosen takes at most six integers or pointers: one word each, in registers.
type Words = unsafe extern "system" fn(usize, usize, usize, usize, usize, usize) -> i32;

const LOADER_INSTANCE_CREATE_INFO: i32 = 47;
const LOADER_DEVICE_CREATE_INFO: i32 = 48;
const LAYER_LINK_INFO: i32 = 0;
const INITIALIZATION_FAILED: i32 = -3;

/// A create info: the loader's own elements of its chain have `function` and `link` too.
#[repr(C)]
pub struct Chain {
    kind: i32,
    next: *mut Chain,
    function: i32,
    link: *mut Link,
}

#[repr(C)]
struct Link {
    next: *mut Link,
    instance_proc: Option<GetProcAddr>,
    /// Of devices, in the chain of a device; else of physical devices.
    other_proc: Option<GetProcAddr>,
}

#[derive(Default)]
struct Fault {
    function: String,
    call: usize,
    result: i32,
}

static INSTANCE: AtomicUsize = AtomicUsize::new(0);
static INSTANCE_PROC: AtomicUsize = AtomicUsize::new(0);
static DEVICE_PROC: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static FAULT: Mutex<Fault> = Mutex::new(Fault { function: String::new(), call: 0, result: 0 });

fn fault() -> std::sync::MutexGuard<'static, Fault> {
    FAULT.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn read_fault() -> Option<Fault> {
    let text = fs::read_to_string(std::env::var_os("HANDMILL_FAULT")?).ok()?;
    let mut words = text.split_whitespace();
    let function = words.next()?.to_owned();
    Some(Fault { function, call: words.next()?.parse().ok()?, result: words.next()?.parse().ok()? })
}

/// The loader's link in the chain of a create info, advanced to the next layer.
unsafe fn take_link(info: *const Chain, kind: i32) -> Option<(GetProcAddr, Option<GetProcAddr>)> {
    // SAFETY: every element of a chain starts with kind and next; the loader adds the element with the link.
    unsafe {
        let mut at = (*info).next;
        while !at.is_null() && ((*at).kind != kind || (*at).function != LAYER_LINK_INFO) {
            at = (*at).next;
        }
        let link = at.as_mut()?.link;
        (*at).link = (*link).next;
        Some(((*link).instance_proc?, (*link).other_proc))
    }
}

unsafe extern "system" fn create_instance(info: *const Chain, allocator: *const c_void, out: *mut *mut c_void) -> i32 {
    // SAFETY: called by the loader with its own chain; the next layer's functions have their real types.
    unsafe {
        let Some((proc, _)) = take_link(info, LOADER_INSTANCE_CREATE_INFO) else { return INITIALIZATION_FAILED };
        let Some(next) = proc(null_mut(), c"vkCreateInstance".as_ptr()) else { return INITIALIZATION_FAILED };
        let result = transmute::<unsafe extern "system" fn(), CreateInstance>(next)(info, allocator, out);
        if result == 0 {
            INSTANCE.store(*out as usize, Ordering::SeqCst);
            INSTANCE_PROC.store(proc as usize, Ordering::SeqCst);
        }
        result
    }
}

unsafe extern "system" fn create_device(
    adapter: *mut c_void,
    info: *const Chain,
    allocator: *const c_void,
    out: *mut *mut c_void,
) -> i32 {
    // SAFETY: as in `create_instance`.
    unsafe {
        let Some((proc, Some(device_proc))) = take_link(info, LOADER_DEVICE_CREATE_INFO) else {
            return INITIALIZATION_FAILED;
        };
        let instance = INSTANCE.load(Ordering::SeqCst) as *mut c_void;
        let Some(next) = proc(instance, c"vkCreateDevice".as_ptr()) else { return INITIALIZATION_FAILED };
        DEVICE_PROC.store(device_proc as usize, Ordering::SeqCst);
        *fault() = read_fault().unwrap_or_default();
        CALLS.store(0, Ordering::SeqCst);
        transmute::<unsafe extern "system" fn(), CreateDevice>(next)(adapter, info, allocator, out)
    }
}

unsafe extern "system" fn faulty(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> i32 {
    let call = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
    let refused = Some(fault()).filter(|f| f.call == call).map(|f| f.result);
    if let Some(result) = refused {
        if let Some(path) = std::env::var_os("HANDMILL_FAULT") {
            let _ = fs::write(path, "hit");
        }
        return result;
    }
    // SAFETY: NEXT is the driver's function of the same name; its arguments pass through unchanged.
    unsafe { transmute::<usize, Words>(NEXT.load(Ordering::SeqCst))(a, b, c, d, e, f) }
}

/// The layer's own functions, or the next layer's.
///
/// # Safety
/// Called by the Vulkan loader only.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn vkGetInstanceProcAddr(instance: *mut c_void, name: *const c_char) -> Function {
    // SAFETY: the loader passes a terminated name; INSTANCE_PROC is zero or a function of this type.
    unsafe {
        match CStr::from_ptr(name).to_str() {
            Ok("vkGetInstanceProcAddr") => {
                Some(transmute::<GetProcAddr, unsafe extern "system" fn()>(vkGetInstanceProcAddr))
            }
            Ok("vkGetDeviceProcAddr") => {
                Some(transmute::<GetProcAddr, unsafe extern "system" fn()>(vkGetDeviceProcAddr))
            }
            Ok("vkCreateInstance") => Some(transmute::<CreateInstance, unsafe extern "system" fn()>(create_instance)),
            Ok("vkCreateDevice") => Some(transmute::<CreateDevice, unsafe extern "system" fn()>(create_device)),
            _ => match INSTANCE_PROC.load(Ordering::SeqCst) {
                0 => None,
                proc => transmute::<usize, GetProcAddr>(proc)(instance, name),
            },
        }
    }
}

/// The chosen function, or the next layer's.
///
/// # Safety
/// Called by the Vulkan loader only.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn vkGetDeviceProcAddr(device: *mut c_void, name: *const c_char) -> Function {
    // SAFETY: as above; the loader asks for device functions only after a device was made.
    unsafe {
        let proc = match DEVICE_PROC.load(Ordering::SeqCst) {
            0 => return None,
            proc => transmute::<usize, GetProcAddr>(proc),
        };
        let text = CStr::from_ptr(name).to_str().unwrap_or_default();
        if text == "vkGetDeviceProcAddr" {
            return Some(transmute::<GetProcAddr, unsafe extern "system" fn()>(vkGetDeviceProcAddr));
        }
        let next = proc(device, name)?;
        if fault().function != text {
            return Some(next);
        }
        NEXT.store(next as usize, Ordering::SeqCst);
        Some(transmute::<Words, unsafe extern "system" fn()>(faulty))
    }
}
