mod decode;
mod detect;
mod encode;
mod hostile;
mod roots;
