// SPDX-License-Identifier: Apache-2.0

// Error numbers, their names and what they mean, in the words of errno(3). The numbers are
// those of include/uapi/asm-generic/errno-base.h and errno.h (x86, arm64, riscv and most).

const ERRORS = [
  [1, "EPERM", "Operation not permitted"],
  [2, "ENOENT", "No such file or directory"],
  [3, "ESRCH", "No such process"],
  [4, "EINTR", "Interrupted by a signal"],
  [5, "EIO", "Input or output error"],
  [6, "ENXIO", "No such device or address"],
  [7, "E2BIG", "Argument list too long"],
  [8, "ENOEXEC", "Not an executable format"],
  [9, "EBADF", "Bad file descriptor"],
  [10, "ECHILD", "No child processes"],
  [11, "EAGAIN", "Try again"],
  [12, "ENOMEM", "Out of memory"],
  [13, "EACCES", "Permission denied"],
  [14, "EFAULT", "Bad address"],
  [16, "EBUSY", "Device or resource busy"],
  [17, "EEXIST", "File exists"],
  [18, "EXDEV", "Link across file systems"],
  [19, "ENODEV", "No such device"],
  [20, "ENOTDIR", "Not a directory"],
  [21, "EISDIR", "Is a directory"],
  [22, "EINVAL", "Invalid argument"],
  [23, "ENFILE", "Too many open files in the system"],
  [24, "EMFILE", "Too many open files"],
  [26, "ETXTBSY", "Text file busy"],
  [27, "EFBIG", "File too large"],
  [28, "ENOSPC", "No space left on device"],
  [29, "ESPIPE", "Illegal seek"],
  [30, "EROFS", "Read-only file system"],
  [31, "EMLINK", "Too many links"],
  [32, "EPIPE", "Broken pipe"],
  [34, "ERANGE", "Result out of range"],
  [36, "ENAMETOOLONG", "File name too long"],
  [38, "ENOSYS", "Function not implemented"],
  [39, "ENOTEMPTY", "Directory not empty"],
  [40, "ELOOP", "Too many symbolic links"],
  [61, "ENODATA", "No data available"],
  [62, "ETIME", "Timer expired"],
  [75, "EOVERFLOW", "Value too large for the type"],
  [95, "EOPNOTSUPP", "Operation not supported"],
  [110, "ETIMEDOUT", "Timed out"],
  [116, "ESTALE", "Stale file handle"],
  [117, "EUCLEAN", "Structure needs cleaning"],
  [122, "EDQUOT", "Disk quota exceeded"],
  [512, "ERESTARTSYS", "Interrupted; the kernel will restart the call"],
];

const BY_VALUE = new Map(ERRORS.map(([value, name]) => [-value, name]));
const BY_NAME = new Map(ERRORS.map(([value, name, meaning]) => [name, { value, meaning }]));

/** -2n -> "ENOENT"; undefined for what is no known error. */
export function errnoName(returned) {
  return BY_VALUE.get(Number(returned));
}

/** "ENOENT" -> -2, as a call returns it. */
export function errnoValue(name) {
  const error = BY_NAME.get(name);
  return error && -error.value;
}

/** "ENOENT" -> "No such file or directory". */
export function errnoMeaning(name) {
  return BY_NAME.get(name)?.meaning;
}

/** Every known error's name, the commonest numbers first. */
export const ERRNO_NAMES = ERRORS.map(([, name]) => name);
