"""Reading and running .tflite files without Keras."""
