// Machine: what this box is: its interfaces and addresses, its listening sockets and who holds them.
//
// It knows the kernel's and the system's own files and calls. It must never change anything, and knows no policy: what the
// facts mean is for others to say.
