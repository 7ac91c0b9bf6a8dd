import { mount } from 'svelte';
import './styles/tokens.css';
import './styles/base.css';
import App from './App.svelte';
import { router } from './app';
import { speak } from './lib/language.svelte';

speak(null, navigator.languages);
router.start();
mount(App, { target: document.body });
