"""The students that are language models: the published LLaVA-OneVision one and Qwen3-VL."""
