// Empty: it lets loop.go declare functions whose bodies are kfake's.
